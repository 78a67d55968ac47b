// The map: it fills in while cells are trained; a click on a cell opens its networks in the Playground.

import { lasting, make, write } from "./elements.js";
import { ExportMenu } from "./export.js";
import { PlotlyNode } from "./plotly_node.js";
import { Poller } from "./poller.js";
import { Route, post, unanswered } from "./route.js";
import { TableDialog } from "./table_dialog.js";

const ASK_RUNNING = 400, ASK_IDLE = 2000; // ms between two requests

/** Accuracy over two knobs: a bar that starts and stops the training, and the figure. */
export class AccuracyMap {
  shown = ""; // what the drawn figure belongs to
  complaint = ""; // why the last action was refused, in words
  route = new Route();
  folder = "maps"; // of the routes
  parameter = "map"; // by which files are asked for
  verb = "Train the map";
  counted = "cells trained";

  constructor(node) {
    this.node = node;
    this.play = make("button", { type: "button", class: "bnviz-play", click: () => this.act() });
    this.bar = make("progress", { max: 1, value: 0, "aria-label": "Cells trained" });
    this.words = make("span", { class: "bnviz-where", role: "status" });
    this.drawing = make("div", { class: "bnviz-figure" });
    this.plot = new PlotlyNode(this.drawing, () => this.draw());
    this.menu = new ExportMenu(this);
    this.menu.name("the map");
    this.table = new TableDialog(() => this.plot.figure);
    this.table.name("The map");
    this.drawing.append(this.plot.node, make("div", { class: "bnviz-tools" }, this.table.button, this.menu.node), this.table.dialog);
    this.node.append(make("div", { class: "bnviz-map-bar" }, this.play, this.bar, this.words), this.drawing);
  }

  update({ data }) {
    const another = data.id !== this.data?.id;
    this.drawing.classList.toggle("bnviz-fill", data.view === "projector");
    this.data = data;
    if (!another) {
      this.poller.ask();
      return;
    }
    this.url = `${data.base}/${this.folder}/${encodeURIComponent(data.id)}`;
    this.status = null;
    this.poller?.stop();
    this.poller = new Poller({
      request: () => ({ url: this.url }),
      take: async (answer) => { this.status = await answer.json(); },
      tell: () => this.refresh(),
      pause: () => this.running ? ASK_RUNNING : ASK_IDLE,
      hidden: ASK_IDLE,
    });
    this.poller.start();
  }

  /** What the files are asked for by. */
  query() {
    return new URLSearchParams({ [this.parameter]: this.data.id, ...this.data.args });
  }

  close() {
    this.poller?.stop();
    this.menu.close();
    this.table.close();
    this.plot.close();
  }

  /** What changes with every visible change. */
  get revision() {
    return this.status.done;
  }

  get running() {
    return this.status?.state === "running";
  }

  async act() {
    const { poller } = this;
    this.complaint = "";
    try {
      const status = await post(`${this.url}/${this.running ? "stop" : "play"}`);
      if (poller === this.poller) this.status = status;
    } catch (error) {
      this.complaint = error.message;
    }
    this.refresh();
    poller.ask();
  }

  refresh() {
    this.tell();
    this.draw();
  }

  tell() {
    const { status, poller: { gone, away } } = this;
    write(this.play, this.running ? "Stop" : this.verb);
    this.play.disabled = !status || gone || status.state === "finished";
    const trouble = gone || (away ? "Reconnecting…" : this.complaint);
    if (!status) {
      write(this.words, trouble);
      return;
    }
    write(this.words, trouble || this.told());
  }

  /** How far it is, in words and on the bar. */
  told() {
    const { status } = this;
    this.bar.value = status.done / status.cells;
    const kept = status.kept && status.done === status.cells ? " Done earlier on this server." : "";
    return `${status.done} of ${status.cells} ${this.counted}${this.left}. ${status.message}${kept}`;
  }

  /** How long it still takes, after a comma; "" where nothing is known or nothing is done. */
  get left() {
    const words = this.running ? lasting(this.status.seconds_left) : "";
    return words && `, about ${words}`;
  }

  /** Whether the figure stacks its panels. */
  get narrow() {
    return this.plot.narrow;
  }

  async draw() {
    if (!this.status || this.busy || !this.plot.shown) return;
    const query = new URLSearchParams({ theme: this.plot.theme, ...this.data.args });
    if (this.narrow) query.set("narrow", 1);
    const wanted = `${this.data.id}?${query}@${this.revision}`;
    if (wanted === this.shown) return;
    this.busy = true;
    try {
      const answer = await this.route.get(`${this.url}/figure?${query}`);
      if (answer.ok) {
        const first = !this.plot.drawn;
        const figure = await answer.json();
        await this.plot.draw(this.data.plotly, figure, Boolean(figure.layout.scene)); // what has depth can be turned
        this.table.renew();
        if (first && this.plot.drawn) this.plot.node.on("plotly_click", ({ points: [point] }) => this.open(point));
      }
      if (answer.ok || answer.status === 304) this.shown = wanted;
    } catch (error) {
      this.route.forget();
      if (!unanswered(error)) console.error(error);
    } finally {
      this.busy = false;
    }
  }

  open({ x, y }) {
    window.open(`${this.url}/open?row=${y}&column=${x}`, "_blank", "noopener");
  }
}
