// The networks' numbers, and what was measured in words.

import { drawing, grouped, make, write } from "./elements.js";
import { Hub, Part } from "./hub.js";

/** Each network's name, loss and accuracy, and the story in words. */
export class Readouts extends Part {
  arms = [];

  constructor(node) {
    super(node);
    this.row = make("div", { class: "bnviz-arms" });
    this.story = make("p", { class: "bnviz-story" });
    this.node.append(make("div", { class: "bnviz-summary" }, this.row, this.story));
  }

  update(component) {
    const moved = this.data?.layer !== component.data.layer;
    Hub.of(component.data).layer = component.data.layer;
    super.update(component);
    if (moved) this.hub.ask();
  }

  refresh() {
    const { status } = this.hub;
    if (!status) return;
    const looks = JSON.stringify(status.words.arms.map(({ name, colour, dashes }) => [name, colour, dashes]));
    if (looks !== this.looks) {
      this.looks = looks;
      this.arms = status.words.arms.map((arm) => this.card(arm));
      this.row.replaceChildren(...this.arms.map((arm) => arm.card));
    }
    status.words.arms.forEach((arm, index) => {
      const { loss, accuracy, note } = this.arms[index];
      write(loss, arm.loss === null ? "–" : arm.loss.toFixed(arm.loss < 10 ? 3 : 1));
      write(accuracy, arm.accuracy === null ? "–" : `${(100 * arm.accuracy).toFixed(1)} %`);
      write(note, arm.diverged_at === null ? "" : `diverged at step ${grouped(arm.diverged_at)}`);
    });
    write(this.story, status.words.story);
  }

  card({ name, colour, dashes }) {
    const line = { x1: 1, y1: 5, x2: 35, y2: 5, stroke: colour, "stroke-width": 4, "stroke-dasharray": dashes || "none" };
    const [loss, accuracy, note] = ["bnviz-number", "bnviz-number", "bnviz-alarm"].map((name) => make("span", { class: name }));
    const card = make("div", { class: "bnviz-arm" },
      make("div", { class: "bnviz-name" }, drawing(36, 10, ["line", line]), make("span", {}, name)),
      make("div", {}, loss, make("span", { class: "bnviz-unit" }, "training loss")),
      make("div", {}, accuracy, make("span", { class: "bnviz-unit" }, "held-out accuracy")), note);
    return { card, loss, accuracy, note };
  }
}
