// An element in which Plotly draws.

import { make } from "./elements.js";

const NARROW = 520; // px: below this width figures stack their panels
const FILLING = "(min-width: 641px)"; // where a figure that fills the screen takes its height from the style sheet
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
    if (fills && this.#latest) {
      const { height, title } = this.#filling(this.#latest.layout);
      window.Plotly.relayout(this.node, { height, ...(title && { "title.y": title.y }) });
    }
    window.Plotly.Plots.resize(this.node);
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
    if (document.documentElement.dataset.bnvizView === "projector") return dark ? "projector-dark" : "projector";
    return dark ? "dark" : "light";
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
    this.#latest = figure;
    const { data, layout } = figure;
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
