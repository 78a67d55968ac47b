// The lab's question in a class: answer it, see what was answered once it is closed, and who was right.

import { make, write } from "./elements.js";

const ROUNDS = ["before discussing", "after discussing"];

/** What a student commits to, or the teacher opens and closes; and the bars, for all. */
export class Question {
  shown = "";
  chosen = null;

  constructor(room, projector) {
    this.room = room;
    this.projector = projector;
    this.node = make("section", { class: "bnviz-question", "aria-label": "Question to the class" });
  }

  refresh() {
    const { standing, votes, teacher, complaint } = this.room;
    this.node.hidden = !standing?.question;
    if (!standing?.question) return;
    const { question, round, open, answered, tallies, verdict, ended } = standing;
    const shape = JSON.stringify([question, round, open, tallies, verdict, ended, votes, teacher]);
    if (shape !== this.shown) {
      this.shown = shape;
      this.draw();
    }
    if (this.count) write(this.count, this.counted(answered[round - 1] ?? 0));
    if (this.alarm) write(this.alarm, complaint);
  }

  counted(number) {
    return `${number} ${number === 1 ? "answer" : "answers"} so far`;
  }

  draw() {
    const { standing, teacher } = this.room;
    const { question, verdict } = standing;
    const focus = this.node.contains(document.activeElement) ? document.activeElement.dataset.answer : null;
    this.count = null;
    this.alarm = make("p", { class: "bnviz-alarm", role: "status", "aria-live": "polite" });
    const heading = make("h2", {}, question.text);
    const body = teacher || this.projector ? this.teaching() : this.answering();
    this.node.replaceChildren(heading, ...body, this.alarm, ...this.results(), ...(verdict ? [this.verdict(verdict)] : []));
    this.node.querySelector(`[data-answer="${CSS.escape(focus ?? "")}"]`)?.focus();
  }

  /** What a student can do now, or has done. */
  answering() {
    const { standing: { round, open, ended }, votes } = this.room;
    const mine = votes.find((item) => item.round === round);
    const said = votes.map((item) => make("p", { class: "bnviz-said" },
      make("b", {}, votes.length > 1 ? `You said ${ROUNDS[item.round - 1]}: ` : "You said: "), item.words, " ",
      ...(item.sentence ? [make("span", { class: "bnviz-fared" }, `${item.right === null ? "?" : item.right ? "✓" : "✗"} ${item.sentence}`)] : [])));
    if (ended) return [...said, make("p", {}, "This class has ended.")];
    if (open && !mine) return [...said.length ? [...said, make("p", {}, "You have discussed it. What do you say now?")] : [], ...this.form()];
    if (open) {
      this.count = make("p", { class: "bnviz-count" });
      return [...said, make("p", {}, "Your answer is in. What the class said is shown when your teacher closes the question."), this.count];
    }
    return round ? said : [make("p", {}, "Look and think: your teacher opens the question in a moment.")];
  }

  form() {
    const { options, sliders } = this.room.standing.question;
    const commit = make("button", { type: "button", class: "bnviz-main", "data-answer": "commit", click: () => this.commit(commit) }, "Lock in my answer");
    if (options.length) {
      commit.disabled = this.chosen === null;
      const buttons = options.map(({ answer, words }) => make("button",
        { type: "button", class: "bnviz-option", role: "radio", "aria-checked": String(answer === this.chosen), "data-answer": answer,
          click: () => this.choose(answer, buttons, commit), keydown: (event) => this.move(event, buttons) }, words));
      return [make("div", { class: "bnviz-options", role: "radiogroup", "aria-label": "Your prediction" }, ...buttons), commit];
    }
    this.places = sliders.map((slider) => slider.start);
    const rows = sliders.map((slider, index) => {
      const value = make("output", {}, slider.notches[slider.start].words);
      const input = make("input", { type: "range", min: 0, max: slider.notches.length - 1, value: slider.start, "data-answer": `slider${index}`,
        "aria-valuetext": slider.notches[slider.start].words,
        input: () => {
          this.places[index] = input.valueAsNumber;
          const { words } = slider.notches[input.valueAsNumber];
          write(value, words);
          input.setAttribute("aria-valuetext", words);
        } });
      return make("label", { class: "bnviz-slider" }, make("span", {}, slider.label), value, input,
        make("span", { class: "bnviz-ends" }, make("span", {}, slider.notches[0].words), make("span", {}, slider.notches.at(-1).words)));
    });
    return [...rows, commit];
  }

  choose(answer, buttons, commit) {
    this.chosen = answer;
    for (const button of buttons) button.setAttribute("aria-checked", String(button.dataset.answer === answer));
    commit.disabled = false;
  }

  /** Arrow keys go from option to option, as in any group of radio buttons. */
  move(event, buttons) {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = buttons[(buttons.indexOf(event.target) + by + buttons.length) % buttons.length];
    next.focus();
    next.click();
  }

  async commit(button) {
    const { options, sliders } = this.room.standing.question;
    const answer = options.length ? this.chosen : sliders.map((slider, index) => slider.notches[this.places[index]].value).join(",");
    button.disabled = true;
    await this.room.vote(answer);
    button.disabled = false;
    if (!this.room.complaint) this.chosen = null;
  }

  /** The options as they are read out, how many have answered, and for the teacher what to do next. */
  teaching() {
    const { standing: { question, round, rounds, open, ended, verdict, tallies }, teacher } = this.room;
    const parts = [];
    if (question.options.length && !tallies.length) parts.push(make("ul", { class: "bnviz-read" }, ...question.options.map(({ words }) => make("li", {}, words))));
    if (question.sliders.length && !tallies.length) {
      parts.push(make("p", {}, "Each estimates: ", question.sliders.map(({ label, notches }) => `${label}, from ${notches[0].words} to ${notches.at(-1).words}`).join("; "), "."));
    }
    if (open) {
      this.count = make("p", { class: "bnviz-count" });
      parts.push(this.count);
    }
    if (teacher && !ended) {
      const button = (text, action, main) => make("button", { type: "button", class: main ? "bnviz-main" : "", "data-answer": action, click: () => this.room.teach(action) }, text);
      if (open) parts.push(button("Close it and show the answers", "close", true));
      else if (!verdict && round === 0) parts.push(button("Ask the class", "ask", true));
      else if (!verdict && round < rounds) parts.push(button("Ask again, after discussing", "ask", false));
    }
    return parts;
  }

  /** The bars of every round that is closed. */
  results() {
    const { standing: { tallies, verdict } } = this.room;
    if (!tallies.length) return [];
    return [make("div", { class: "bnviz-rounds" }, ...tallies.map((tally, index) => {
      const total = tally.parts[0].bars.reduce((sum, bar) => sum + bar.count, 0);
      const name = tallies.length > 1 ? ROUNDS[index] : "The class said";
      const right = tally.right === null ? "" : total ? `${tally.right} of ${total} were right` : "nobody answered";
      return make("section", {}, make("h3", {}, name[0].toUpperCase() + name.slice(1), make("small", {}, ` ${total} ${total === 1 ? "answer" : "answers"}`)),
        ...tally.parts.map((part, place) => this.bars(part, verdict?.measured[place])),
        ...(right ? [make("p", { class: "bnviz-right" }, right)] : []));
    }))];
  }

  bars({ label, bars, middle }, measured) {
    const most = Math.max(1, ...bars.map((bar) => bar.count));
    const last = bars.at(-1);
    const fits = ({ words, low, high }) => low === null ? words === measured.words
      : low <= measured.value && (measured.value < high || high === last.high);
    const rows = bars.map((bar) => {
      const measuredHere = Boolean(measured) && fits(bar);
      return make("li", { class: measuredHere ? "bnviz-truth" : "" },
        make("span", { class: "bnviz-words" }, bar.words, ...(measuredHere ? [make("b", {}, " ✓ measured")] : [])),
        make("span", { class: "bnviz-track", "aria-hidden": "true" }, make("span", { style: `width:${(100 * bar.count) / most}%` })),
        make("span", { class: "bnviz-many" }, String(bar.count)));
    });
    const notes = [middle && `middle of the class: ${middle}`, label && measured && `measured: ${measured.words}`].filter(Boolean).join("; ");
    return make("div", { class: label ? "bnviz-estimates" : "" }, ...(label ? [make("p", { class: "bnviz-label" }, label)] : []),
      make("ol", { class: "bnviz-bars" }, ...rows), ...(notes ? [make("p", { class: "bnviz-note" }, notes)] : []));
  }

  verdict({ word, said, holds }) {
    const sign = holds === null ? "?" : holds ? "✓" : "✗";
    return make("p", { class: "bnviz-verdict" }, make("b", {}, `${sign} ${word}. `), said);
  }
}
