// An element in which Plotly draws.

import { make } from "./elements.js";

const NARROW = 520; // px: below this width figures stack their panels
const PROJECTED = 1000; // px: below this width the projector's type would not fit
const FILLING = "(min-width: 641px)"; // where a figure that fills the screen takes its height from the style sheet
const TITLE = { above: 14, line: 21, small: 18 }; // px that a figure's title takes, as bnviz/figures/frame has it
let plotly = null;

/** plotly.js, loaded when the first figure needs it. */
export function loadPlotly(url) {
  plotly ??= new Promise((resolve, reject) => {
    document.head.append(make("script", {
      src: url,
      load: () => resolve(window.Plotly),
      error: (event) => {
        event.target.remove();
        plotly = null;
        reject(new Error("plotly.js did not arrive"));
      },
    }));
  });
  return plotly;
}

/** The layout without its title, for a page that says itself what the figure shows. */
function untitled(layout) {
  const { title: { text, font }, margin, ...rest } = layout;
  const lines = text ? text.split("<br>").length : 0, bold = text.split("<b>").length - 1;
  const scale = (font.size - 2) / 13;
  const height = (TITLE.above + TITLE.line * bold + TITLE.small * (lines - bold)) * scale;
  return { ...rest, margin: { ...margin, t: Math.max(TITLE.above, margin.t - height + TITLE.above) } };
}

/**
 * A figure within `frame`, made once and then changed, so that zoom and hidden legend entries stay.
 *
 * The frame's width and background decide which figure fits; `changed` is called when its size is another one.
 */
export class PlotlyNode {
  drawn = false;
  #frame;
  #sizes;
  #waiting = 0;
  #latest = null;

  constructor(frame, changed) {
    this.#frame = frame;
    this.node = make("div", { class: "bnviz-plot", role: "figure" });
    this.#sizes = new ResizeObserver(() => {
      cancelAnimationFrame(this.#waiting);
      this.#waiting = requestAnimationFrame(() => {
        if (this.drawn && this.shown) this.#resize();
        changed();
      });
    });
    this.#sizes.observe(frame);
  }

  close() {
    this.#latest = null;
    this.#sizes.disconnect();
    cancelAnimationFrame(this.#waiting);
    if (this.drawn) window.Plotly.purge(this.node);
  }

  /** The layout's height and title for a frame of this height; the title stays as far from the top. */
  #filling(layout) {
    const height = this.#frame.clientHeight;
    const title = layout.title && { ...layout.title, y: 1 - ((1 - layout.title.y) * layout.height) / height };
    return { height, ...(title && { title }) };
  }

  #resize() {
    const fills = matchMedia(FILLING).matches && this.#frame.classList.contains("bnviz-fill");
    if (!fills || !this.#latest) return window.Plotly.Plots.resize(this.node);
    const { height, title } = this.#filling(this.#latest.layout);
    const width = this.#frame.clientWidth; // with a height alone Plotly keeps the width
    return window.Plotly.relayout(this.node, { width, height, ...(title && { "title.y": title.y }) });
  }

  /** Whether it has any width; in a closed tab or fold it has none. */
  get shown() {
    return this.#frame.clientWidth > 0;
  }

  get narrow() {
    return this.#frame.clientWidth < NARROW;
  }

  /** "light" or "dark", after the background that the theme gives the frame; on a projector the like, larger. */
  get theme() {
    const dark = this.#isDark();
    if (document.documentElement.dataset.bnvizView !== "projector") return dark ? "dark" : "light";
    const size = this.#frame.clientWidth < PROJECTED ? "projector-column" : "projector";
    return dark ? `${size}-dark` : size;
  }

  #isDark() {
    const probe = make("span", { style: "color: var(--st-background-color, white); display: none" });
    this.#frame.append(probe);
    const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
    probe.remove();
    return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
  }

  /**
   * Draw a figure, { data, layout } as Plotly takes it. zoom: whether its axes can be zoomed; then a bar of buttons
   * comes with the mouse. Returns the milliseconds it took, null where a later call or `close` made it obsolete.
   */
  async draw(url, figure, zoom = true) {
    const { data } = figure;
    const layout = this.#frame.classList.contains("bnviz-untitled") ? untitled(figure.layout) : figure.layout;
    this.#latest = figure = { data, layout };
    this.node.setAttribute("aria-label", layout.meta.alt);
    const fills = matchMedia(FILLING).matches && this.#frame.classList.contains("bnviz-fill");
    this.#frame.style.height = fills || !layout.height ? "" : `${layout.height}px`;
    const Plotly = await loadPlotly(url);
    if (this.#latest !== figure) return null;
    const begun = performance.now();
    const still = !zoom || matchMedia("(pointer: coarse)").matches; // a finger on a figure scrolls the page
    const shape = { ...layout, autosize: true, ...(fills && this.#filling(layout)), ...(still && { dragmode: false }) };
    const config = { displaylogo: false, displayModeBar: still ? false : "hover", modeBarButtons: [["resetScale2d"]] };
    await Plotly.react(this.node, data, shape, config);
    this.drawn = true;
    return performance.now() - begun;
  }
}
