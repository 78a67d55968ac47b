// The networks' numbers, and what was measured in words.

import { drawing, grouped, make, write } from "./elements.js";
import { Hub, Part } from "./hub.js";

/** Three digits that say something: 1.72, 0.0242, 0.00031, 41.3; beyond that, the power of ten, as 3.1·10⁻⁵. */
function number(value) {
  if (value === 0 || (value >= 0.0001 && value < 1000)) return String(Number(value.toPrecision(3)));
  const [factor, power] = value.toExponential(1).split("e");
  return `${factor}·10${[...power.replace("+", "")].map((digit) => (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit])).join("")}`;
}

/** Each network's name, loss and accuracy, and the story in words. */
export class Readouts extends Part {
  arms = [];

  constructor(node) {
    super(node);
    this.row = make("div", { class: "bnviz-arms" });
    this.first = make("summary");
    this.rest = make("p");
    this.story = make("details", { class: "bnviz-story" }, this.first, this.rest);
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
      write(loss, arm.loss === null ? "–" : number(arm.loss));
      write(accuracy, arm.accuracy === null ? "–" : `${(100 * arm.accuracy).toFixed(1)} %`);
      write(note, arm.diverged_at === null ? "" : `diverged at step ${grouped(arm.diverged_at)}`);
    });
    const { story } = status.words;
    const end = story.search(/\. (?=[A-Z])/) + 1 || story.length;
    write(this.first, story.slice(0, end));
    write(this.rest, story.slice(end).trim());
    this.story.hidden = !story;
    this.story.classList.toggle("bnviz-alone", end >= story.length);
  }

  card({ name, colour, dashes }) {
    const line = { x1: 1, y1: 5, x2: 35, y2: 5, stroke: colour, "stroke-width": 4, "stroke-dasharray": dashes || "none" };
    const [loss, accuracy, note] = ["bnviz-number", "bnviz-number", "bnviz-alarm"].map((name) => make("span", { class: name }));
    const card = make("div", { class: "bnviz-arm" },
      make("div", { class: "bnviz-name" }, drawing(36, 10, ["line", line]), make("span", {}, name)),
      make("div", { title: "on held-out examples" }, accuracy, make("span", { class: "bnviz-unit" }, "accuracy")),
      make("div", { title: "on training examples" }, loss, make("span", { class: "bnviz-unit" }, "loss")), note);
    return { card, loss, accuracy, note };
  }
}
