// A question in a class: students answer it; the teacher opens and closes it.

import { capital, make, write } from "./elements.js";

export const ROUNDS = ["before discussing", "after discussing"];

/** The question and what can be done with it at each stage of a class; `class.js` names the stages. */
export class Question {
  shown = "";
  chosen = null;
  stage = "";

  /** place: of the question, among those of the part. */
  constructor(room, projector, place) {
    Object.assign(this, { room, projector, place });
    this.node = make("section", { class: "bnviz-question", "aria-label": "Question to the class" });
  }

  /** The question as the server tells it. */
  get asked() {
    return this.room.standing.questions[this.place];
  }

  /** What this browser answered to it. */
  get votes() {
    return this.room.votes.filter(({ question }) => question === this.asked.name);
  }

  refresh(stage) {
    const { standing, teacher, complaint } = this.room;
    this.stage = stage;
    const { text, options, sliders, round, tallies, withheld, tells } = this.asked;
    const others = standing.questions.map(({ open }) => open);
    const shape = JSON.stringify([stage, text, options, sliders, round, tallies.length, withheld, tells, standing.ended, others, standing.behind, this.behind, this.room.apart, this.votes, teacher]);
    if (shape !== this.shown) {
      this.shown = shape;
      this.draw();
    }
    write(this.count, this.counted());
    write(this.alarm, complaint);
  }

  /** How many have answered, or joined. While a round is open nobody is told more than this. */
  counted() {
    const { joined } = this.room.standing;
    const { round, answered, tallies } = this.asked;
    if (this.stage === "waiting") return joined === 1 ? "1 phone has joined" : `${joined} phones have joined`;
    return round && !tallies.length ? `${answered[round - 1]} of ${joined} answered` : "";
  }

  draw() {
    const focus = this.node.contains(document.activeElement) ? document.activeElement.dataset.answer : null;
    this.count = make("p", { class: "bnviz-count" });
    this.alarm = make("p", { class: "bnviz-alarm", role: "status", "aria-live": "polite" });
    const body = this.room.teacher || this.projector ? this.teaching() : this.answering();
    this.node.replaceChildren(...body, this.alarm);
    if (focus) (this.node.querySelector(`[data-answer="${CSS.escape(focus)}"]`) ?? this.node.querySelector("button"))?.focus();
  }

  heading() {
    return make("h2", {}, this.asked.text);
  }

  /** What a student can do now, or has done. Once it is answered the question is one line, which opens. */
  answering() {
    const { standing: { ended }, apart } = this.room;
    const { votes, asked: { round, tallies } } = this;
    const mine = votes.find((item) => item.round === round);
    if (ended) return this.folded();
    if (this.stage === "waiting") return [this.heading(), ...this.choices(), make("p", {}, apart ? "The question is opened when the class comes here." : "Your teacher opens the question soon.")];
    if (this.stage === "asking" && !mine) {
      const before = votes.map(({ words }) => make("p", {}, `Before discussing you said: ${words}. Answer again now.`));
      return [this.heading(), ...before, ...this.form(), this.count];
    }
    if (this.stage === "asking") return [...this.folded(), this.count, make("p", {}, "Your answer is in. Your teacher closes the question.")];
    if (this.stage === "asked" && !tallies.length) return [...this.folded(), make("p", {}, "The question is closed. Your teacher shows the answers later.")];
    return this.folded();
  }

  /** The question as one line: what this browser answered. */
  folded() {
    const { votes, asked } = this;
    const said = votes.map(({ round, words }) => make("span", {}, votes.length > 1 ? `You said ${ROUNDS[round - 1]}: ` : "You said: ", make("b", {}, words)));
    return [make("details", { class: "bnviz-folded" },
      make("summary", { "data-answer": "folded" }, ...(said.length ? said : [make("span", {}, "The question")])), make("p", {}, asked.text))];
  }

  /** What can be answered, to be read. */
  choices() {
    const { options, sliders } = this.asked;
    if (options.length) return [make("ul", { class: "bnviz-read" }, ...options.map(({ words }) => make("li", {}, words)))];
    return sliders.map(({ label, notches }) => make("p", {}, `${capital(label)}: from ${notches[0].words} to ${notches.at(-1).words}`));
  }

  form() {
    const { options, sliders } = this.asked;
    const commit = make("button", { type: "button", class: "bnviz-main", "data-answer": "commit", click: () => this.commit(commit) }, "Lock in my answer");
    if (options.length) {
      commit.disabled = this.chosen === null;
      const buttons = options.map(({ answer, words }, index) => make("button",
        { type: "button", class: "bnviz-option", role: "radio", "aria-checked": String(answer === this.chosen), "data-answer": answer,
          tabindex: answer === (this.chosen ?? options[0].answer) ? 0 : -1,
          click: () => this.choose(answer, buttons, commit), keydown: (event) => this.move(event, buttons, index) }, words));
      return [make("div", { class: "bnviz-options", role: "radiogroup", "aria-label": "Your answer" }, ...buttons), commit];
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
    for (const button of buttons) {
      const here = button.dataset.answer === answer;
      button.setAttribute("aria-checked", String(here));
      button.tabIndex = here ? 0 : -1;
    }
    commit.disabled = false;
  }

  /** Arrow keys go from option to option, as in any group of radio buttons. */
  move(event, buttons, index) {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = buttons[(index + by + buttons.length) % buttons.length];
    next.focus();
    next.click();
  }

  async commit(button) {
    const { options, sliders } = this.asked;
    const answer = options.length ? this.chosen : sliders.map((slider, index) => slider.notches[this.places[index]].value).join(",");
    button.disabled = true;
    await this.room.vote(this.asked, answer);
    button.disabled = false;
    if (!this.room.complaint) this.chosen = null;
  }

  /** What is read out, how many have answered, and for the teacher what to do next. */
  teaching() {
    const { standing: { ended }, teacher } = this.room;
    const { tallies } = this.asked;
    const parts = [this.heading()];
    if (["waiting", "asking", "asked"].includes(this.stage)) parts.push(...(tallies.length ? [] : this.choices()), this.count);
    if (teacher && !ended) parts.push(...this.acts());
    return parts;
  }

  /** Whether there is something behind it, to be shown on the wall. */
  get behind() {
    return Boolean(this.asked.behind);
  }

  /** The teacher's next acts, the usual one first. */
  acts() {
    const { rounds, behind, questions } = this.room.standing;
    const { name, round, withheld, tells } = this.asked;
    const act = (text, action, main = false, body = {}) => make("button",
      { type: "button", class: main ? "bnviz-main" : "", "data-answer": text, click: () => this.room.teach(action, body) }, text);
    const one = { question: name };
    if (this.stage === "asking") return [make("div", { class: "bnviz-row" }, act("Close and show", "close", true, one), act("Close, don’t show", "close", false, { ...one, show: false }))];
    if (questions.some(({ open }) => open)) return [];
    const told = tells && round ? [act("Tell the right answer", "tell", round === rounds && !withheld, one)] : [];
    const show = withheld ? [act("Show the answers", "show", false, one)] : [];
    const again = this.stage === "asked" && round < rounds ? [act("Ask again, after discussing", "ask", true, one)] : [];
    const first = this.stage === "waiting" ? [act("Ask the class", "ask", true, one)] : [];
    const wall = this.behind ? [act(behind ? "Show the figure on the wall" : "Show on the wall what is behind it", "behind", !behind, { show: !behind })] : [];
    const all = [...first, ...again, ...show, ...told, ...wall];
    return all.length ? [make("div", { class: "bnviz-row" }, ...all)] : [];
  }
}
