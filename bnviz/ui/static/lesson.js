// What a part of a lesson says of the run beside it, and what is right of what it asks.

import { make, write } from "./elements.js";
import { Part } from "./hub.js";

const WAITING = "What is measured is told here while the networks train.";

/** The lesson's words on what was measured, and the answer to its question once it is locked in and measured. */
export class LessonTold extends Part {
  constructor(node) {
    super(node);
    this.told = make("p");
    this.answer = make("p", { class: "bnviz-answer", hidden: true });
    this.node.append(this.told, this.answer);
  }

  update(component) {
    super.update(component);
    const { lesson, part } = this.data;
    const { lesson: asked } = this.hub;
    if (asked?.lesson === lesson && asked.part === part) return;
    this.hub.lesson = { lesson, part };
    this.hub.ask();
  }

  refresh() {
    const lesson = this.hub.status?.lesson;
    if (!lesson) return;
    const waits = this.hub.status.state === "ready" ? WAITING : "";
    write(this.told, lesson.told ?? waits);
    const { said } = this.data;
    this.answer.hidden = !said;
    if (!said) return;
    const option = (number) => `“${lesson.options[number - 1]}”`;
    const judged = lesson.right === null ? "The answer stands here as soon as it is measured." :
      `${lesson.measured ? `Measured: ${lesson.measured}. ` : ""}${lesson.right === said ? "✓ Right." : `The answer is ${option(lesson.right)}.`} ${lesson.explanation}`;
    write(this.answer, `You said ${option(said)}. ${judged}`);
  }
}
