// A figure as SVG or PNG, its typeface inside. The server's browser and the reader's both draw with this.

/** An SVG text with the style sheet `fonts` in it, drawn by Plotly's own `toImage`. */
export async function svgText(toImage, figure, { width, height, scale }, fonts) {
  await Promise.all(["12px Inter", "bold 12px Inter"].map((font) => document.fonts.load(font)));
  const text = await toImage(figure, { format: "svg", width, height, scale, imageDataOnly: true });
  return text.replace(/<svg[^>]*>/, (start) => `${start}<defs><style>${fonts}</style></defs>`);
}

export const svgAddress = (text) => `data:image/svg+xml,${encodeURIComponent(text)}`;

/** The address of a PNG that shows the SVG, pixel for pixel. */
export async function pngAddress(text) {
  const picture = new Image();
  picture.src = svgAddress(text);
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.naturalWidth);
  canvas.height = Math.round(picture.naturalHeight);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}
