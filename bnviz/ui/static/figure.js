// A Plotly figure that follows a run.

import { make, write } from "./elements.js";
import { ExportMenu } from "./export.js";
import { Part } from "./hub.js";
import { PlotlyNode } from "./plotly_node.js";
import { Route, sentence, unanswered } from "./route.js";
import { TableDialog } from "./table_dialog.js";

const TICK = 100; // ms by which asking early does no harm, as the next occasion may be later

/** A Plotly figure of the run. */
export class Figure extends Part {
  shown = ""; // the query and the recording that the drawn figure belongs to
  rest = 0; // until then the server has nothing newer
  busy = false;
  visible = false;
  route = new Route();

  constructor(node) {
    super(node);
    this.plot = new PlotlyNode(node, () => this.refresh());
    this.quiet = make("p", { class: "bnviz-quiet" }, "Loading…");
    this.menu = new ExportMenu(this);
    this.table = new TableDialog(() => this.plot.figure);
    this.node.append(this.plot.node, make("div", { class: "bnviz-tools" }, this.table.button, this.menu.node), this.table.dialog, this.quiet);
    this.watcher = new IntersectionObserver((entries) => {
      this.visible = entries.at(-1).isIntersecting;
      this.refresh();
    }, { rootMargin: "200px" });
    this.watcher.observe(this.node);
  }

  adopt() {
    this.menu.name(this.data.title);
    this.table.name(this.data.title);
    this.shown = "";
  }

  close() {
    super.close();
    this.menu.close();
    this.table.close();
    this.watcher.disconnect();
    this.plot.close();
  }

  query() {
    const query = new URLSearchParams({ run: this.data.run, theme: this.plot.theme });
    for (const [name, value] of Object.entries(this.data.args)) if (value !== null) query.set(name, typeof value === "boolean" ? Number(value) : value);
    if (this.hub.step !== null) query.set("step", this.hub.step);
    if (this.plot.narrow) query.set("narrow", 1);
    return query;
  }

  async refresh() {
    this.plot.place();
    if (this.busy || !this.visible || !this.hub?.status || !this.plot.shown) return;
    const query = this.query().toString();
    const wanted = `${query}@${this.hub.status.recorded}`;
    if (wanted === this.shown) return;
    if (this.shown.startsWith(`${query}@`) && performance.now() < this.rest) return;
    this.busy = true;
    try {
      const answer = await this.route.get(`${this.data.base}/${this.data.path}?${query}`);
      if (answer.ok) await this.draw(await answer.json());
      if (answer.ok || answer.status === 304) {
        this.shown = `${query}@${answer.headers.get("X-Bnviz-Recorded")}`;
        this.rest = performance.now() + Number(answer.headers.get("X-Bnviz-Rest") ?? 0) - TICK;
      } else {
        this.say(await sentence(answer));
        this.shown = wanted;
      }
    } catch (error) {
      this.route.forget();
      if (!this.plot.drawn) this.say("Reconnecting…");
      if (!unanswered(error)) console.error(error);
    } finally {
      this.busy = false;
    }
    const there = this.node.isConnected && this.hub && !this.hub.away; // the page may have been left meanwhile
    if (there && this.query().toString() !== query) this.refresh();
  }

  async draw(figure) {
    const took = await this.plot.draw(this.data.plotly, figure);
    if (figure.layout.meta.title) this.table.name(figure.layout.meta.title);
    this.table.renew();
    this.say("");
    this.hub.drew(took ?? 0);
  }

  say(text) {
    write(this.quiet, text);
    this.quiet.hidden = !text;
  }
}
