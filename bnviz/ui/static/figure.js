// A Plotly figure that follows a run.

import { make, write } from "./elements.js";
import { ExportMenu } from "./export.js";
import { PATIENCE, Part, sentence } from "./hub.js";

const TICK = 100; // ms by which asking early does no harm, as the next occasion may be later
export const NARROW = 520; // px: below this width figures stack their panels

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

/** "light" or "dark", after the background that the theme gives this element; on a projector the like, larger. */
export function theme(node) {
  const dark = isDark(node);
  if (document.documentElement.dataset.bnvizView === "projector") return dark ? "projector-dark" : "projector";
  return dark ? "dark" : "light";
}

function isDark(node) {
  const probe = make("span", { style: "color: var(--st-background-color, white); display: none" });
  node.append(probe);
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  probe.remove();
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

/** A Plotly figure of the run. */
export class Figure extends Part {
  shown = ""; // the query and the recording that the drawn figure belongs to
  rest = 0; // until then the server has nothing newer
  drawn = false;
  busy = false;
  visible = false;

  constructor(node) {
    super(node);
    this.plot = make("div", { class: "bnviz-plot", role: "img" });
    this.quiet = make("p", { class: "bnviz-quiet" }, "Loading…");
    this.menu = new ExportMenu(this, loadPlotly);
    this.node.append(this.plot, this.menu.node, this.quiet);
    this.watcher = new IntersectionObserver((entries) => {
      this.visible = entries.at(-1).isIntersecting;
      this.refresh();
    }, { rootMargin: "200px" });
    this.watcher.observe(this.node);
    this.sizes = new ResizeObserver(() => {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.resize());
    });
    this.sizes.observe(this.node);
  }

  adopt() {
    this.menu.name(this.data.title);
    this.shown = "";
  }

  close() {
    super.close();
    this.menu.close();
    this.watcher.disconnect();
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
    if (this.drawn) window.Plotly.purge(this.plot);
  }

  resize() {
    if (this.drawn && this.node.clientWidth) window.Plotly.Plots.resize(this.plot);
    this.refresh();
  }

  query() {
    const query = new URLSearchParams({ run: this.data.run, theme: theme(this.node) });
    for (const [name, value] of Object.entries(this.data.args)) if (value !== null) query.set(name, typeof value === "boolean" ? Number(value) : value);
    if (this.hub.step !== null) query.set("step", this.hub.step);
    if (this.node.clientWidth < NARROW) query.set("narrow", 1);
    return query;
  }

  async refresh() {
    if (this.busy || !this.visible || !this.hub?.status || !this.node.clientWidth) return;
    const query = this.query().toString();
    const wanted = `${query}@${this.hub.status.recorded}`;
    if (wanted === this.shown) return;
    const known = this.shown.startsWith(`${query}@`);
    if (known && performance.now() < this.rest) return;
    this.busy = true;
    try {
      const headers = this.tag && known ? { "If-None-Match": this.tag } : {};
      const [answer, Plotly] = await Promise.all([
        fetch(`${this.data.base}/${this.data.path}?${query}`,
          { headers, signal: AbortSignal.timeout(PATIENCE), cache: "no-store" }),
        loadPlotly(this.data.plotly),
      ]);
      if (answer.ok || answer.status === 304) {
        if (answer.ok) await this.draw(Plotly, await answer.json());
        this.tag = answer.headers.get("ETag");
        this.shown = `${query}@${answer.headers.get("X-Bnviz-Recorded")}`;
        this.rest = performance.now() + Number(answer.headers.get("X-Bnviz-Rest") ?? 0) - TICK;
      } else {
        this.say(await sentence(answer));
        this.shown = wanted;
      }
    } catch (error) {
      if (!this.drawn) this.say("Reconnecting…");
      if (!["TypeError", "TimeoutError", "AbortError"].includes(error.name)) console.error(error);
    } finally {
      this.busy = false;
    }
    const there = this.node.isConnected && this.hub && !this.hub.away; // the page may have been left meanwhile
    if (there && this.query().toString() !== query) this.refresh();
  }

  async draw(Plotly, { data, layout }) {
    const begun = performance.now();
    this.node.style.height = `${layout.height}px`;
    const touch = matchMedia("(pointer: coarse)").matches; // there a finger on a figure scrolls the page
    const shape = { ...layout, autosize: true, ...(touch && { dragmode: false }) };
    const config = { displaylogo: false, displayModeBar: touch ? false : "hover", modeBarButtons: [["resetScale2d"]] };
    await Plotly.react(this.plot, data, shape, config);
    this.drawn = true;
    this.plot.setAttribute("aria-label", layout.meta?.alt ?? this.data.title);
    this.say("");
    this.hub.drew(performance.now() - begun);
  }

  say(text) {
    write(this.quiet, text);
    this.quiet.hidden = !text;
  }
}
