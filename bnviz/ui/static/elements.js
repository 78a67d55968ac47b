// Small helpers to build and change elements.

const ICONS = {
  play: "M7 4.5v15l13-7.5z",
  pause: "M6 4.5h4.5v15H6zM13.5 4.5H18v15h-4.5z",
  step: "M5 4.5v15l10-7.5zM16.5 4.5H19v15h-2.5z",
  reset: "M12 5V1.5L6.5 6.5 12 11.5V8a5.5 5.5 0 1 1-5.5 5.5H3.5A8.5 8.5 0 1 0 12 5z",
  save: "M10.75 3.5h2.5v8.2l3.1-3.1 1.75 1.75L12 16.5l-6.1-6.15L7.65 8.6l3.1 3.1zM4.5 18h15v2.5h-15z",
  more: "M5 10.25a1.75 1.75 0 1 1 0 3.5a1.75 1.75 0 0 1 0-3.5zM12 10.25a1.75 1.75 0 1 1 0 3.5a1.75 1.75 0 0 1 0-3.5zM19 10.25a1.75 1.75 0 1 1 0 3.5a1.75 1.75 0 0 1 0-3.5z",
};

export const grouped = (number) => Math.round(number).toLocaleString("en-US");

/** How long something still takes, in words; "" where it is too short to be told. */
export function lasting(seconds) {
  if (!(seconds >= 2)) return "";
  return seconds < 90 ? `${Math.ceil(seconds)} s left` : `${grouped(seconds / 60)} min left`;
}

/** An element with attributes (functions become listeners) and children. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

export function drawing(width, height, ...shapes) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-hidden", "true");
  for (const [tag, attributes] of shapes) {
    const shape = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    svg.append(shape);
  }
  return svg;
}

export const icon = (name) => drawing(24, 24, ["path", { d: ICONS[name], fill: "currentColor" }]);

/** Writes only what is new, so that a screen reader speaks only of changes. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** HTML that the server has made of Markdown, in which a reader's HTML is text. */
export function written(html) {
  const node = make("div", { class: "bnviz-prose" });
  node.innerHTML = html;
  return node;
}

export const capital = (text) => text[0].toUpperCase() + text.slice(1);
