// The page of a class: what students, the teacher and the projector see of one shared run.
//
// It asks how the class stands and builds its parts from the answer; figures, numbers and the bar are those
// of the other pages (live.js), following the same run. Nothing here makes the server run a script.

import { Question } from "./class_question.js";
import { Room } from "./class_room.js";
import { make, write } from "./elements.js";
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

  constructor(main) {
    this.main = main;
    const pace = projector || location.hash ? TEACHER : STUDENT;
    this.room = new Room(base, code, pace.room, () => this.refresh());
    this.question = new Question(this.room, projector);
  }

  get pace() {
    return this.room.teacher || projector ? TEACHER : STUDENT;
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
    const { run, figures } = room.standing;
    const shape = JSON.stringify([run, figures.map((item) => item.path), room.teacher]);
    if (shape !== this.built) {
      this.built = shape;
      this.build();
    }
    write(this.offline, room.away ? "Reconnecting…" : room.standing.ended ? "This class has ended." : room.key && !room.teacher ? "The key in this link is not the teacher's; you watch like a student." : "");
    this.question.refresh();
    this.unveil();
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
    const args = part.page.layered ? { layer: this.layer || (part.page.path.endsWith("histogram") ? this.room.standing.layers : null), ...(part.page.path.endsWith("bands") && { where: this.before ? "before" : "input" }) } : {};
    part.update({ data: this.data({ ...part.page, args: { ...args } }), setStateValue() {} });
  }

  build() {
    const { room } = this;
    const { standing } = room;
    for (const part of this.parts) part.close();
    this.parts = [];
    document.title = `${standing.title} · bnviz`;
    this.offline = make("p", { class: "bnviz-offline", role: "status" });
    const bar = make("section", { "data-bnviz": "", class: "bnviz-bar", "aria-label": "Training" });
    const numbers = make("section", { "data-bnviz": "", class: "bnviz-readouts" });
    this.pictures = make("div", { class: "bnviz-pictures" });
    this.main.replaceChildren(
      make("header", {}, make("h1", {}, standing.title), ...this.invitation(), this.offline),
      ...(standing.quote && !projector ? [make("blockquote", {}, standing.quote)] : []),
      this.question.node, bar, ...(standing.layers ? [numbers] : []), this.pictures, ...this.desk());
    this.bar = this.mount(Transport, bar, { key: room.runKey, at: null, simple: !standing.layers, learning_rate: standing.rate });
    if (standing.layers) this.mount(Readouts, numbers, { layer: this.layer || standing.layers });
    this.place();
  }

  /** Figures, with what each viewer may choose alone. */
  place() {
    const { figures, layers } = this.room.standing;
    const shell = (item) => {
      const [wide, narrow] = item.heights;
      const node = make("div", { "data-bnviz": "", class: "bnviz-figure" });
      const frame = make("figure", { class: "bnviz-shell", style: `--bnviz-wide:${wide}px;--bnviz-narrow:${narrow}px` }, node,
        ...(item.caption ? [make("figcaption", {}, item.caption)] : []));
      return { node, frame, item };
    };
    const main = figures.filter((item) => !item.more).map(shell), more = figures.filter((item) => item.more).map(shell);
    const pair = main.filter(({ item }) => layers && !item.layered), rest = main.filter((part) => !pair.includes(part));
    this.pictures.append(
      ...(pair.length ? [make("div", { class: "bnviz-pair" }, ...pair.map(({ frame }) => frame))] : []),
      ...(layers ? [this.choices()] : []), ...rest.map(({ frame }) => frame),
      ...(more.length && !projector ? [make("details", { toggle: () => dispatchEvent(new Event("resize")) }, make("summary", {}, "More figures"), ...more.map(({ frame }) => frame))] : []));
    for (const { node, item } of [...main, ...(projector ? [] : more)]) this.mount(Figure, node, { ...item, name: item.path.split("/")[1] });
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

  /** While the class is to predict, there is nothing to look at yet, and phones need not load plotly.js. */
  unveil() {
    const hub = Hub.of(this.data());
    if (!this.watching) {
      this.watching = { refresh: () => this.unveil() };
    }
    if (this.hub !== hub) {
      this.hub?.leave(this.watching);
      this.hub = hub;
      hub.join(this.watching);
    }
    const { question, open, tallies, verdict } = this.room.standing;
    const begun = hub.status?.step > 0;
    const waits = Boolean(question) && (open || !begun);
    this.main.toggleAttribute("data-begun", begun || tallies.length > 0);
    this.main.toggleAttribute("data-running", begun && !open && !verdict); // the wall then makes room for the figures
    this.pictures.hidden = waits;
    this.bar.node.hidden = waits && !this.room.teacher;
  }

  /** The way in, for those who come late: on the projector, where all can see it. */
  invitation() {
    const { link, code } = this.room.standing;
    if (!projector) return [];
    return [make("aside", { class: "bnviz-join" },
      make("img", { src: `${base}/classes/${document.body.dataset.code}/qr.svg?for=${encodeURIComponent(link)}`, alt: `QR code of ${link}` }),
      make("div", {}, make("span", {}, link.replace(/^https?:\/\//, "")), make("b", {}, code)))];
  }

  /** What only the teacher's page has: links, the address, the end of the class. */
  desk() {
    const { room } = this;
    if (!room.teacher || projector) return [];
    const { link, ended } = room.standing;
    const address = make("input", { type: "url", value: new URL(link).origin, required: true, maxlength: 200, "aria-label": "Address of this server" });
    const qr = make("img", { src: `${base}/classes/${code}/qr.svg`, alt: `QR code of ${link}`, width: 220, height: 220 });
    const shown = make("a", { href: link, target: "_blank", rel: "noreferrer" }, link);
    const move = async (event) => {
      event.preventDefault();
      await room.teach("address", { address: address.value });
      if (!room.complaint) this.built = "";
    };
    const own = make("input", { readonly: true, value: room.teacherLink, "aria-label": "The teacher's link", focus: () => own.select() });
    const wall = new URL(location.href);
    wall.searchParams.set("view", "projector");
    return [make("details", { class: "bnviz-desk", open: true }, make("summary", {}, "Links of this class"),
      make("div", {}, qr, make("div", {},
        make("p", {}, make("b", {}, "For students: "), shown),
        make("form", { class: "bnviz-row", submit: move }, make("label", {}, "Address of this computer for others ", address), make("button", { type: "submit" }, "Use it")),
        make("p", {}, make("b", {}, "For the projector: "), make("a", { href: wall.href, target: "_blank" }, "open it in a window of its own")),
        make("details", {}, make("summary", {}, "For you alone: your own link"), own, make("p", {}, "Who has it drives the run and asks the class.")),
        ...(ended ? [] : [make("p", {}, make("button", { type: "button", click: (event) => this.end(event.target) }, "End the class"))]))))];
  }

  /** Asked twice, as it cannot be taken back. */
  end(button) {
    if (button.dataset.sure) this.room.teach("end").then(() => { this.built = ""; this.refresh(); });
    button.dataset.sure = "yes";
    write(button, "Really end it for everybody?");
  }
}

new Page(document.querySelector("main"));
