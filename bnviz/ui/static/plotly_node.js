// An element in which Plotly draws.

import { make } from "./elements.js";
import { NARROW, headed, legendKept, rightMargin, untitled } from "./fitting.js";

const FILLING = "(min-width: 641px)"; // where a figure that fills the screen takes its height from the style sheet
const TABLES = new URL("table_dialog.css", import.meta.url).href; // no @import: the audit of a page looks for it below the page
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
  #fitted = null;
  #right = 0;

  constructor(frame, changed) {
    if (!document.querySelector(`link[href="${TABLES}"]`)) document.head.append(make("link", { rel: "stylesheet", href: TABLES }));
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

  /** The figure that is drawn, { data, layout }; null before the first. */
  get figure() {
    return this.#latest;
  }

  get #fills() {
    return matchMedia(FILLING).matches && this.#frame.classList.contains("bnviz-fill");
  }

  /** Give a figure that fills the screen what is left of it below the frame's upper edge. */
  place() {
    const page = this.#fills && this.#frame.closest("[data-testid=stMain]");
    if (!page) return;
    const around = this.#frame.getBoundingClientRect().top - page.getBoundingClientRect().top + page.scrollTop;
    this.#frame.style.setProperty("--bnviz-above", `${Math.round(around)}px`);
  }

  /** The layout for the frame: the heading broken at its width, the height its own or the frame's. */
  #fit(layout) {
    const fitted = headed(layout, this.#frame.clientWidth);
    const margin = { ...fitted.margin, r: Math.max(fitted.margin?.r ?? 0, this.#right) };
    if (!this.#fills) return { ...fitted, margin };
    const height = this.#frame.clientHeight;
    const title = fitted.title && { ...fitted.title, y: 1 - ((1 - fitted.title.y) * fitted.height) / height };
    return legendKept({ ...fitted, margin, height, ...(title && { title }) }, fitted);
  }

  #resize() {
    const { layout } = this.#latest;
    this.#right = 0;
    this.#fitted = this.#fit(layout);
    if (!this.#fills && layout.height) this.#frame.style.height = `${this.#fitted.height}px`;
    const { height, legend, margin, title } = this.#fitted;
    const width = this.#frame.clientWidth; // with a height alone Plotly keeps the width
    window.Plotly.relayout(this.node, { width, height, "margin.t": margin.t, "margin.r": margin.r, ...(legend && { "legend.y": legend.y }), ...(title && { "title.y": title.y, "title.text": title.text }) });
    this.#widen();
  }

  /** Make room at the right for notes that would be cut off. It stays, so that nothing jumps. */
  async #widen() {
    const margin = rightMargin(this.node, this.#fitted);
    if (margin === null) return;
    this.#right = margin;
    await window.Plotly.relayout(this.node, { "margin.r": margin });
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
    const { data } = figure;
    const layout = this.#frame.classList.contains("bnviz-untitled") ? untitled(figure.layout, this.#frame.clientWidth) : figure.layout;
    this.#latest = figure = { data, layout };
    this.#frame.classList.toggle("bnviz-bare", !layout.title?.text);
    this.node.setAttribute("aria-label", layout.meta.alt);
    this.place();
    const Plotly = await loadPlotly(url);
    if (this.#latest !== figure) return null;
    const begun = performance.now();
    const still = !zoom || matchMedia("(pointer: coarse)").matches; // a finger on a figure scrolls the page
    this.#fitted = this.#fit(layout);
    this.#frame.style.height = this.#fills || !layout.height ? "" : `${this.#fitted.height}px`;
    const shape = { ...this.#fitted, autosize: true, ...(still && { dragmode: false }) };
    const config = { displaylogo: false, displayModeBar: still ? false : "hover", modeBarButtons: [["resetScale2d"]] };
    await Plotly.react(this.node, data, shape, config);
    await this.#widen();
    this.drawn = true;
    return performance.now() - begun;
  }
}
