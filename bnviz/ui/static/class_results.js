// What a class answered, as bars, and what was measured.

import { ROUNDS } from "./class_question.js";
import { capital, make, written } from "./elements.js";

const TICKS = 4; // bars from one number below a histogram to the next
const SIGN = (holds) => (holds === null ? "?" : holds ? "✓" : "✗");
const total = (tally) => tally.parts[0].bars.reduce((sum, bar) => sum + bar.count, 0);

/** The verdict, how this browser's answers fared, and the bars of all rounds that are shown. */
export class Results {
  shown = "";

  /** place: of the question, among those of the part. */
  constructor(room, projector, place) {
    Object.assign(this, { room, projector, place });
    this.node = make("section", { class: "bnviz-results", "aria-label": "Answers of the class" });
  }

  refresh() {
    const { name, tallies, verdict, behind } = this.room.standing.questions[this.place];
    const votes = this.room.votes.filter(({ question, sentence }) => question === name && sentence);
    this.node.hidden = !tallies.length && !verdict;
    const shape = JSON.stringify([tallies, verdict, behind, votes, this.room.teacher]);
    if (shape === this.shown) return;
    this.shown = shape;
    this.node.replaceChildren(...(verdict ? this.verdict(verdict) : []), ...votes.map((vote) => this.own(vote, votes.length)), ...this.answers(tallies, verdict), ...this.behind(behind), ...this.kept(tallies));
  }

  /** For the teacher: the answers as a file. */
  kept(tallies) {
    if (!tallies.length || !this.room.teacher || this.projector) return [];
    return [make("p", { class: "bnviz-row" }, make("button", { type: "button", click: () => this.room.saveAnswers() }, "Save the answers (CSV)"))];
  }

  verdict({ word, said, holds, claims }) {
    if (!claims) return [make("h2", { class: "bnviz-verdict" }, `${word}: ${said}`)];
    return [make("h2", {}, `${SIGN(holds)} ${word}.`), make("p", { class: "bnviz-verdict" }, said)];
  }

  /** What is behind it; on the wall it takes the figure's place when the teacher wants it. */
  behind(text) {
    return text && !this.projector ? [make("details", {}, make("summary", {}, "What is behind it"), written(text))] : [];
  }

  /** How an answer of this browser fared. */
  own({ round, right, sentence }, many) {
    const when = many > 1 ? `${capital(ROUNDS[round - 1])}: ` : "";
    return make("p", { class: "bnviz-fared" }, make("b", {}, `${SIGN(right)} ${when}`), sentence);
  }

  answers(tallies, verdict) {
    if (!tallies.length) return [];
    const many = tallies.length > 1;
    const names = tallies.map((_, index) => (many ? ROUNDS[index] : ""));
    const legend = tallies.map((tally, index) => make("li", {},
      make("span", { class: "bnviz-swatch", "aria-hidden": "true", "data-round": many ? index + 1 : 2 }), this.legend(tally, names[index])));
    return [make("h2", {}, "The class said"), make("ul", { class: "bnviz-legend" }, ...legend),
      ...tallies[0].parts.map((part, place) => {
        const rounds = tallies.map((tally) => tally.parts[place]);
        return part.bars[0].low === null ? this.options(rounds, names, verdict?.measured[place], verdict?.mark) : this.histogram(rounds, names, verdict?.measured[place]);
      })];
  }

  /** A round in words: "before discussing: 12 of 23 were right". */
  legend(tally, name) {
    const all = total(tally), middle = tally.parts.map((part) => part.middle).filter(Boolean).join(", ");
    const said = !all ? "nobody answered" : tally.right === null ? `${all} ${all === 1 ? "answer" : "answers"}` : `${tally.right} of ${all} were right`;
    return capital([name && `${name}: `, said, middle && `; median ${middle}`].filter(Boolean).join(""));
  }

  /** For each option its words, and below them a bar for each round. */
  options(rounds, names, measured, mark) {
    const most = Math.max(1, ...rounds.flatMap(({ bars }) => bars.map((bar) => bar.count)));
    return make("ol", { class: "bnviz-bars" }, ...rounds[0].bars.map(({ words }, row) => {
      const here = words === measured?.words;
      return make("li", { class: here ? "bnviz-truth" : "" },
        make("span", { class: "bnviz-words" }, words, ...(here ? [" ", make("b", {}, `✓ ${mark}`)] : [])),
        ...rounds.flatMap(({ bars }, index) => [
          make("span", { class: "bnviz-track", "aria-hidden": "true", "data-round": names.length > 1 ? index + 1 : 2 },
            ...(bars[row].count ? [make("span", { style: `width:${(100 * bars[row].count) / most}%` })] : [])),
          make("span", { class: "bnviz-many" }, make("span", { class: "bnviz-unseen" }, names[index]), String(bars[row].count))]));
    }));
  }

  /** The estimates of each round as columns, with the measured value marked. */
  histogram(rounds, names, measured) {
    const most = Math.max(1, ...rounds.flatMap(({ bars }) => bars.map((bar) => bar.count)));
    const { bars, label } = rounds[0];
    const { high } = bars.at(-1);
    const holds = (bar) => measured && bar.low <= measured.value && (measured.value < bar.high || bar.high === high);
    const columns = bars.map((bar, place) => make("li", { class: holds(bar) ? "bnviz-truth" : "" },
      make("span", { class: "bnviz-unseen" }, `${bar.words}: ${rounds.map((round, index) => `${round.bars[place].count} ${names[index]}`).join(", ")}`),
      ...rounds.map((round, index) => {
        const { count } = round.bars[place];
        return make("span", { class: "bnviz-column", "aria-hidden": "true", "data-round": names.length > 1 ? index + 1 : 2, style: `height:${(100 * count) / most}%` },
          count ? make("span", { class: "bnviz-many" }, String(count)) : "");
      })));
    const unit = bars[0].words.slice(bars[0].words.lastIndexOf(" to ") + 4).replace(/^[\d.,]+/, "");
    const ticks = bars.filter((_, place) => place % TICKS === 0).map((bar) => bar.words.split(" to ")[0]);
    const last = bars.at(-1).words.split(" to ")[1];
    return make("figure", { class: "bnviz-estimates" },
      make("ol", { class: "bnviz-columns" }, ...columns),
      make("div", { class: "bnviz-ticks", "aria-hidden": "true" }, ...ticks.map((text, place) => make("span", {}, place ? text : `${text}${unit}`)), make("span", {}, last)),
      make("figcaption", {}, label, ...(measured ? [" · ", make("b", {}, `✓ measured: ${measured.words}`)] : [])));
  }
}
