// The page of a class: what students, the teacher and the projector see of one shared run, or of a part of a lesson.
//
// It asks how the class stands and builds its parts from the answer; figures, numbers and the bar are those
// of the other pages (live.js), following the same run. Nothing here makes the server run a script.

import { desk } from "./class_desk.js";
import { Question } from "./class_question.js";
import { Results } from "./class_results.js";
import { Room } from "./class_room.js";
import { Lesson } from "./class_lesson.js";
import { make, write, written } from "./elements.js";
import { Figure } from "./figure.js";
import { Hub } from "./hub.js";
import { Readouts } from "./readouts.js";
import { Transport } from "./transport.js";

const STUDENT = { room: 2500, run: 975 }, TEACHER = { room: 1000, run: 300 }; // ms between two questions
const { base, code, plotly } = document.body.dataset;
const projector = new URLSearchParams(location.search).get("view") === "projector";
if (projector) document.documentElement.dataset.bnvizView = "projector";

/** The whole page. */
class Page {
  parts = [];
  layer = 0;
  before = false;
  built = "";
  drawn = null; // the prediction that the figures show

  constructor(main) {
    this.main = main;
    const pace = projector || location.hash ? TEACHER : STUDENT;
    this.room = new Room(base, code, pace.room, !projector, () => this.refresh());
    this.lesson = new Lesson(this.room, base, projector);
    addEventListener("resize", () => this.first && this.arrange());
  }

  get pace() {
    return this.room.teacher || projector ? TEACHER : STUDENT;
  }

  /**
   * Where the class is: "reading" a text, "watching" a run without a question; "waiting" for the question, "asking" it,
   * "asked" once it is closed; "playing" the networks; "measured" once there is a verdict.
   */
  get stage() {
    const { questions, run } = this.room.standing;
    if (!questions.length) return run ? "watching" : "reading";
    if (questions.some(({ open }) => open)) return "asking";
    const stages = questions.map((question) => this.stageOf(question));
    return ["measured", "playing", "asked"].find((stage) => stages.includes(stage)) ?? "waiting";
  }

  /** The same of one of the part's questions. */
  stageOf({ open, verdict, round }) {
    if (open) return "asking";
    if (verdict) return "measured";
    if (this.hub?.status && (this.hub.status.step > 0 || this.hub.moving)) return "playing";
    return round ? "asked" : "waiting";
  }

  /** The number that the figure draws as predicted, once it is measured: this phone's own, or else the class's median. */
  get guess() {
    const asked = this.room.standing.questions.find(({ guess }) => guess !== null);
    if (!asked) return null;
    const votes = this.room.votes.filter(({ question }) => question === asked.name);
    const own = votes.length ? Number(votes.at(-1).answer.split(",")[0]) : asked.guess;
    return Number.isFinite(own) ? own : null;
  }

  refresh() {
    const { room } = this;
    if (room.gone) {
      this.main.replaceChildren(make("h1", {}, "No class here"), make("p", {}, room.gone));
      return;
    }
    if (!room.standing) {
      if (room.away) write(this.main.firstElementChild, "The server does not answer. Trying again …");
      return;
    }
    room.pause = this.pace.room;
    const { run, part, figures, questions } = room.standing;
    const shape = JSON.stringify([run, part, figures.map((item) => item.path), questions.map(({ name }) => name), room.teacher, room.standing.ended]);
    if (shape !== this.built) {
      this.built = shape;
      this.build();
    }
    write(this.offline, room.away ? "Reconnecting…" : room.standing.ended ? "This class has ended." : room.key && !room.teacher ? "The key in this link is not the teacher’s: you watch as a student does." : "");
    this.follow();
    this.arrange();
    if (this.guess === this.drawn) return;
    this.drawn = this.guess;
    this.retell();
  }

  /** Data as Streamlit would hand it to a part. */
  data(more) {
    const { run } = this.room.standing;
    return { base, run, every: this.pace.run, plotly, args: {}, ...more };
  }

  mount(Kind, node, more) {
    const part = new Kind(node);
    part.page = more;
    this.parts.push(part);
    this.inform(part);
    return part;
  }

  inform(part) {
    const { layered, name } = part.page;
    const all = name === "histogram" ? this.room.standing.layers : null;
    const drawn = this.guess;
    const guessed = part instanceof Figure && drawn !== null ? { guess: drawn } : {};
    const args = !layered ? guessed : { layer: this.layer || all, ...(name !== "histogram" && { where: this.before ? "before" : "input" }) };
    part.update({ data: this.data({ ...part.page, args }), setStateValue() {} });
  }

  build() {
    const { room } = this;
    const { standing } = room;
    for (const part of this.parts) part.close();
    this.parts = [];
    document.title = `${standing.title} · bnviz`;
    this.offline = make("p", { class: "bnviz-offline", role: "status" });
    this.header = make("header", {}, this.lesson.heading());
    this.invitation = projector ? this.wayIn() : null;
    if (room.teacher && !projector) this.header.append(this.codes());
    const bar = make("section", { "data-bnviz": "", class: "bnviz-bar", "aria-label": "Training" });
    const numbers = make("section", { "data-bnviz": "", class: "bnviz-readouts bnviz-headed", "aria-label": "What was measured" });
    this.show = make("div", { class: "bnviz-show" }, ...(standing.run ? [bar] : []), ...(standing.layers ? [numbers] : []));
    this.wall = make("section", { class: "bnviz-behind", "aria-label": "What is behind it", hidden: true });
    this.further = make("div", { class: "bnviz-further" });
    this.questions = standing.questions.map((_, place) => new Question(room, projector, place));
    this.results = standing.questions.map((_, place) => new Results(room, projector, place));
    this.asking = make("div", { class: "bnviz-asking" }, this.lesson.text(), ...this.questions.map(({ node }) => node), this.lesson.below((act) => this.hub?.act(act.action, act.body)));
    this.told = make("div", { class: "bnviz-told" }, ...this.results.map(({ node }) => node));
    this.first = make("div", { class: "bnviz-first" }, this.header, this.offline, this.asking, this.show, this.wall, this.told);
    const changed = () => { this.built = ""; this.refresh(); };
    this.main.replaceChildren(this.first, this.further, ...(room.teacher && !projector ? [desk(room, base, code, changed)] : []));
    this.invited = null;
    if (!standing.run) return;
    this.bar = this.mount(Transport, bar, { key: room.runKey, at: null, simple: !standing.layers, learning_rate: standing.rate });
    if (standing.layers) this.mount(Readouts, numbers, { layer: this.layer || standing.layers });
    this.place();
  }

  /** The first figure on the first screen, the others below, with what each viewer may choose alone. */
  place() {
    const { figures, layers, quote } = this.room.standing;
    const shell = (item) => {
      const [wide, narrow] = item.heights;
      const node = make("div", { "data-bnviz": "", class: `bnviz-figure${item.fills ? " bnviz-fill bnviz-untitled" : ""}` });
      const frame = make("figure", { class: "bnviz-shell", style: `--bnviz-wide:${wide}px;--bnviz-narrow:${narrow}px` },
        ...(item.caption ? [make("figcaption", {}, item.caption)] : []), node);
      return { node, frame, item };
    };
    const [first, ...others] = figures.filter((item) => !item.more).map(shell);
    const more = projector ? [] : figures.filter((item) => item.more).map(shell);
    this.show.append(first.frame);
    this.further.append(
      ...(layers ? [this.choices()] : []), ...others.map(({ frame }) => frame),
      ...(more.length ? [make("details", { toggle: () => dispatchEvent(new Event("resize")) }, make("summary", {}, "More figures"), ...more.map(({ frame }) => frame))] : []),
      ...(quote && !projector ? [make("blockquote", {}, quote)] : []));
    for (const { node, item } of [first, ...others, ...more]) this.mount(Figure, node, { ...item, name: item.path.split("/")[1] });
  }

  choices() {
    const { layers } = this.room.standing;
    const options = [make("option", { value: 0 }, "all layers"), ...Array.from({ length: layers }, (_, index) => make("option", { value: index + 1 }, `layer ${index + 1}`))];
    const select = make("select", { change: () => { this.layer = Number(select.value); this.retell(); } }, ...options);
    select.value = this.layer;
    const box = make("input", { type: "checkbox", change: () => { this.before = box.checked; this.retell(); } });
    box.checked = this.before;
    return make("div", { class: "bnviz-choices" }, make("label", {}, "Show ", select), make("label", {}, box, " before normalization"));
  }

  retell() {
    for (const part of this.parts) {
      if (part instanceof Readouts) part.page.layer = this.layer || this.room.standing.layers;
      this.inform(part);
    }
  }

  /** Follow how the run stands: the stage depends on it. */
  follow() {
    const hub = this.room.standing.run ? Hub.of(this.data()) : null;
    this.watching ??= { refresh: () => this.arrange() };
    if (this.hub === hub) return;
    this.hub?.leave(this.watching);
    this.hub = hub;
    hub?.join(this.watching);
  }

  /** Give each part its place. Before anything is measured a phone shows no figure and need not load plotly.js. */
  arrange() {
    const { stage } = this;
    const { run, questions, behind } = this.room.standing;
    const still = ["waiting", "asking", "asked"].includes(stage);
    this.main.dataset.stage = stage;
    this.lesson.refresh(stage);
    this.questions.forEach((item, place) => questions[place] && item.refresh(this.stageOf(questions[place])));
    this.results.forEach((item, place) => questions[place] && item.refresh());
    const text = behind && projector ? questions.map((item) => item.behind).join("") : "";
    this.wall.hidden = !text;
    if (text !== this.behind) this.wall.replaceChildren(make("h2", {}, "What is behind it"), written(text));
    this.behind = text;
    this.show.hidden = this.further.hidden = !run || Boolean(text) || (still && !this.room.teacher && !projector);
    this.invite(stage === "waiting");
    this.measure();
  }

  /** The way in below the question while the class joins, or in the header: later, and where it would end below the screen. */
  invite(joining) {
    if (!this.invitation) return;
    const here = joining && `${innerWidth} ${innerHeight}`;
    if (this.invited === here) return;
    this.invited = here;
    (joining ? this.first : this.header).append(this.invitation);
    if (joining && this.invitation.getBoundingClientRect().bottom > innerHeight) this.header.append(this.invitation);
  }

  /** Tell the style sheet what stands above the figure, which takes the rest of the first screen. */
  measure() {
    const beside = this.asking.getBoundingClientRect().right < this.show.getBoundingClientRect().left;
    const last = beside || !this.asking.clientHeight ? this.header : this.asking;
    const { bottom } = last.getBoundingClientRect(), { top } = this.first.getBoundingClientRect();
    this.first.style.setProperty("--bnviz-head", `${Math.ceil(bottom - top) + 12}px`);
  }

  /** The address and the code, which the teacher reads out; the desk below has more. */
  codes() {
    const { link, code: spaced } = this.room.standing;
    return make("aside", { class: "bnviz-join" }, make("div", {}, make("span", {}, link.replace(/^https?:\/\//, "")), make("b", {}, spaced)));
  }

  /** The way in: large while the class joins, small later for those who come late. */
  wayIn() {
    const { link } = this.room.standing;
    return make("aside", { class: "bnviz-join" },
      make("img", { src: `${base}/classes/${code}/qr.svg?for=${encodeURIComponent(link)}`, alt: `QR code of ${link}` }),
      ...this.codes().children);
  }
}

new Page(document.querySelector("main"));
