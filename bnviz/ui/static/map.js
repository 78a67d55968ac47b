// The map: it fills in while cells are trained; a click on a cell opens its networks in the Playground.

import { make, write } from "./elements.js";
import { ExportMenu } from "./export.js";
import { NARROW, loadPlotly, theme } from "./figure.js";
import { PATIENCE, sentence } from "./hub.js";

const ASK_RUNNING = 400, ASK_IDLE = 2000; // ms between two questions to the server

export class AccuracyMap {
  shown = "";

  constructor(node) {
    this.node = node;
    this.play = make("button", { type: "button", class: "bnviz-play", click: () => this.act() });
    this.bar = make("progress", { max: 1, value: 0, "aria-label": "Cells trained" });
    this.words = make("span", { class: "bnviz-where", role: "status" });
    this.plot = make("div", { class: "bnviz-plot", role: "img" });
    this.menu = new ExportMenu(this, loadPlotly);
    this.menu.name("the map");
    const drawing = make("div", { class: "bnviz-figure" }, this.plot, this.menu.node);
    this.node.append(make("div", { class: "bnviz-map-bar" }, this.play, this.bar, this.words), drawing);
    this.sizes = new ResizeObserver(() => {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => {
        if (this.drawn && this.node.clientWidth) window.Plotly.Plots.resize(this.plot);
        this.draw();
      });
    });
    this.sizes.observe(this.node);
  }

  update({ data }) {
    const another = data.id !== this.data?.id;
    this.data = data;
    this.url = `${data.base}/maps/${encodeURIComponent(data.id)}`;
    if (another) this.status = null;
    if (!this.asking) this.keepAsking();
    else this.rouse?.();
  }

  /** What the files are asked for by. */
  query() {
    return new URLSearchParams({ map: this.data.id });
  }

  close() {
    this.closed = true;
    this.menu.close();
    this.rouse?.();
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
    if (this.drawn) window.Plotly.purge(this.plot);
  }

  async keepAsking() {
    this.asking = true;
    while (!this.closed && !this.gone) {
      await this.ask();
      const running = this.status?.state === "running" && !document.hidden;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, running ? ASK_RUNNING : ASK_IDLE);
        this.rouse = () => { clearTimeout(timer); resolve(); };
      });
    }
    this.asking = false;
  }

  async ask(path = "", method = "GET") {
    try {
      const answer = await fetch(this.url + path, { method, signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
      if (answer.ok) this.status = await answer.json();
      else if (answer.status === 404) this.gone = await sentence(answer);
      this.away = false;
    } catch {
      this.away = true;
    }
    this.tell();
    await this.draw();
  }

  async act() {
    await this.ask(this.status?.state === "running" ? "/stop" : "/play", "POST");
    this.rouse?.();
  }

  tell() {
    const { status } = this;
    const running = status?.state === "running";
    write(this.play, running ? "Stop" : "Train the map");
    this.play.disabled = !status || this.gone || status.state === "finished";
    if (!status) {
      write(this.words, this.gone || (this.away ? "Reconnecting…" : ""));
      return;
    }
    this.bar.value = status.done / status.cells;
    const left = running && status.seconds_left >= 2 ? `, about ${Math.ceil(status.seconds_left)} s left` : "";
    const kept = status.kept && status.done === status.cells ? " Trained earlier on this server." : "";
    write(this.words, this.gone || (this.away ? "Reconnecting…" : `${status.done} of ${status.cells} cells trained${left}. ${status.message}${kept}`));
  }

  async draw() {
    if (!this.status || this.busy || !this.node.clientWidth) return;
    const query = new URLSearchParams({ theme: theme(this.node) });
    if (this.node.clientWidth < NARROW) query.set("narrow", 1);
    const wanted = `${this.data.id}?${query}@${this.status.done}`;
    if (wanted === this.shown) return;
    this.busy = true;
    try {
      const [answer, Plotly] = await Promise.all([
        fetch(`${this.url}/figure?${query}`, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" }),
        loadPlotly(this.data.plotly),
      ]);
      if (!answer.ok) return;
      const { data, layout } = await answer.json();
      const config = { displaylogo: false, displayModeBar: false };
      await Plotly.react(this.plot, data, { ...layout, autosize: true, dragmode: false }, config);
      if (!this.drawn) this.plot.on("plotly_click", ({ points: [point] }) => this.open(point));
      this.drawn = true;
      this.plot.setAttribute("aria-label", layout.meta.alt);
      this.shown = wanted;
    } catch (error) {
      if (!["TypeError", "TimeoutError", "AbortError"].includes(error.name)) console.error(error);
    } finally {
      this.busy = false;
    }
  }

  open({ x, y }) {
    window.open(`${this.url}/open?row=${y}&column=${x}`, "_blank", "noopener");
  }
}
