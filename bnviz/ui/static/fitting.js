// A figure's heading and margins, fitted to the width and the typeface that it is really drawn with.
//
// The server lays a figure out before anybody knows how wide it will be, and in which typeface.

export const NARROW = 520; // px: below this width figures stack their panels
const LINE = 1.3; // em from one line of a Plotly text to the next
const EDGE = 10; // px that the heading keeps from both sides
const MENU = [92, 184]; // px at the top right for the table and the exports, on a phone and elsewhere
const TOOLS = 24; // px more above a figure without a title, for the buttons in its corner
const TITLE = { above: 14, line: 21, small: 18 }; // px that a figure's title takes, as bnviz/figures/frame has it
const MOST = 0.4; // share of the width that a margin may take
let pencil = null;

/** How wide a text is, in px. */
function measured(text, font) {
  pencil ??= document.createElement("canvas").getContext("2d");
  pencil.font = font;
  return pencil.measureText(text).width;
}

/** A text in lines no wider than `most` px, the first no wider than `first`. */
function wrapped(text, font, most, first = most) {
  const lines = [];
  let line = "";
  for (const word of text.split(" ").filter(Boolean)) {
    const longer = line ? `${line} ${word}` : word;
    if (line && measured(longer, font) > (lines.length ? most : first)) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return line ? [...lines, line] : lines;
}

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** How many lines Plotly's text has. */
const lineCount = (text) => text.split("<br>").length;

/**
 * The layout with its title and subtitle broken where the width asks for it, and the top margin and the height that
 * follow from it. layout.meta holds both texts as they are.
 */
export function headed(layout, width) {
  const { title, subtitle } = layout.meta ?? {};
  if (!title || !layout.title?.text) return layout;
  const large = layout.title.font.size;
  const typeface = layout.template?.layout?.font?.family ?? "sans-serif";
  const [style, small] = layout.title.text.match(/<span style='font-size:([\d.]+)px[^>]*>/) ?? ["", 0];
  const most = width - 2 * EDGE;
  const bold = wrapped(title, `bold ${large}px ${typeface}`, most, most - MENU[Number(width >= NARROW)]).map((line) => `<b>${escaped(line)}</b>`);
  const quiet = style ? wrapped(subtitle, `${small}px ${typeface}`, most).map(escaped) : [];
  const text = bold.join("<br>") + (quiet.length ? `<br>${style}${quiet.join("<br>")}</span>` : "");
  const more = (lineCount(text) - lineCount(layout.title.text)) * LINE * large;
  const height = layout.height + more;
  return {
    ...layout,
    height,
    margin: { ...layout.margin, t: layout.margin.t + more },
    title: { ...layout.title, text, y: 1 - ((1 - layout.title.y) * layout.height) / height },
  };
}

const inner = ({ height, margin }) => height - margin.t - margin.b;

/** The layout with its legend as many px above the panels as in `before`, the same layout at another height. */
export function legendKept(layout, before) {
  const { legend } = layout;
  if (!(legend?.y > 1)) return layout;
  return { ...layout, legend: { ...legend, y: 1 + ((legend.y - 1) * inner(before)) / inner(layout) } };
}

/** The layout without its title, for a page that says itself what the figure shows. */
export function untitled(layout, width) {
  const { title, margin, ...rest } = layout;
  if (!title) return layout;
  const lines = title.text ? title.text.split("<br>").length : 0, bold = title.text.split("<b>").length - 1;
  const scale = (title.font.size - 2) / 13;
  const height = (TITLE.above + TITLE.line * bold + TITLE.small * (lines - bold)) * scale;
  const above = TITLE.above + (width < NARROW ? 0 : TOOLS * scale);
  return legendKept({ ...rest, margin: { ...margin, t: Math.max(above, margin.t - height + above) } }, layout);
}

/** The right margin that every note needs to end within the plot; null where it has it. */
export function rightMargin(node, layout) {
  const edge = node.getBoundingClientRect().right;
  const ends = [...node.querySelectorAll(".annotation-text-g")].map((note) => note.getBoundingClientRect().right);
  const lack = Math.max(0, ...ends) - edge;
  if (lack <= 0) return null;
  const margin = Math.min(layout.margin.r + lack + 4, MOST * node.clientWidth);
  return margin > layout.margin.r ? margin : null;
}
