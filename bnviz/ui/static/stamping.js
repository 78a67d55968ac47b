// What a file says of where it comes from, written into PNG and SVG that were drawn in this browser.

/** The SVG with the comment, which the server has made safe, before its first element. */
export const stampedSvg = (text, comment) => `<?xml version="1.0" encoding="UTF-8"?>\n${comment}\n${text}`;

/** A PNG with texts in it, one iTXt chunk each, right after its header. */
export async function stampedPng(blob, texts) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const header = 8 + 25; // the signature, and the chunk IHDR
  const chunks = Object.entries(texts).map(([name, text]) => chunk("iTXt", [...new TextEncoder().encode(name), 0, 0, 0, 0, 0], text));
  return new Blob([bytes.slice(0, header), ...chunks, bytes.slice(header)], { type: "image/png" });
}

function chunk(kind, head, text) {
  const content = Uint8Array.from([...new TextEncoder().encode(kind), ...head, ...new TextEncoder().encode(text)]);
  const whole = new DataView(new ArrayBuffer(content.length + 8));
  whole.setUint32(0, content.length - 4);
  new Uint8Array(whole.buffer).set(content, 4);
  whole.setUint32(content.length + 4, checksum(content));
  return whole.buffer;
}

/** CRC-32 as PNG has it. */
function checksum(bytes) {
  let rest = 0xffffffff;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0);
  }
  return (rest ^ 0xffffffff) >>> 0;
}
