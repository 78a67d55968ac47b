// The lesson of a class: the text of the part that is shown, and the way from part to part.

import { make, write, written } from "./elements.js";

const OPEN = ["reading", "watching", "waiting"]; // stages in which the text is open
const FOLLOW = "follow";

/** What a class's page has besides where the class has a lesson. Its nodes are empty where it has none. */
export class Lesson {
  stage = "";

  constructor(room, base, projector) {
    Object.assign(this, { room, base, projector });
  }

  /** The part's title, and the way to the others. */
  heading() {
    const { title, lesson, part } = this.room.standing;
    this.ways = make("nav", { class: "bnviz-ways", "aria-label": "Parts of the lesson" });
    this.drawn = "";
    const place = lesson && part ? make("p", { class: "bnviz-place" }, `${lesson.title} · part ${part} of ${lesson.count}`) : "";
    return make("div", { class: "bnviz-heading" }, place, make("h1", {}, title), this.ways);
  }

  /** The part's text, which folds while there is something else to do. */
  text() {
    const { text } = this.room.standing;
    this.stage = "";
    this.said = make("p", { class: "bnviz-measured", "aria-live": "polite" });
    this.folding = make("details", { class: "bnviz-text" }, make("summary", {}, "The text of this part"), written(text));
    this.folding.hidden = !text;
    return make("div", {}, this.folding, this.said);
  }

  /** Where the part leads, what may be tried, and the teacher's notes. act: sends an action to the run. */
  below(act) {
    const { opens, changes, run } = this.room.standing;
    const { teacher, notes } = this.room;
    const root = this.base.replace(/bnviz$/, "");
    const links = (this.projector && run ? [] : opens).map(({ href, words }) => make("a", { href: `${root}${href}${this.projector ? "&view=projector" : ""}`, target: "_blank", rel: "noreferrer" }, words));
    const tries = !teacher || this.projector ? [] : changes.map(({ label, field, value }) => make("button", { type: "button", click: async () => {
      await act({ action: "intervene", body: { field, value } });
      act({ action: "play" });
    } }, label));
    const kept = teacher && notes && !this.projector ? [make("details", { class: "bnviz-notes" }, make("summary", {}, "Your notes"), written(notes))] : [];
    const row = [...links, ...tries];
    return make("div", { class: "bnviz-below" }, ...(row.length ? [make("p", { class: "bnviz-row" }, ...row)] : []), ...kept);
  }

  refresh(stage) {
    if (stage !== this.stage) {
      this.stage = stage;
      this.folding.open = OPEN.includes(stage);
    }
    write(this.said, this.room.standing.measured);
    this.said.hidden = !this.room.standing.measured;
    this.lead();
  }

  /** The way from part to part: the teacher turns the class, a student looks back, or ahead. */
  lead() {
    const { standing: { lesson, part, ended, questions }, teacher, apart, titles } = this.room;
    const open = questions.some((item) => item.open);
    const shape = JSON.stringify([lesson, part, ended, open, teacher, apart]);
    if (!lesson || shape === this.drawn) return;
    this.drawn = shape;
    if (teacher && !ended) this.ways.replaceChildren(...this.turning(lesson, open, titles));
    else this.ways.replaceChildren(...(this.projector ? [] : this.looking(lesson, part, apart, ended)));
  }

  turning({ at, count }, open, titles) {
    const turn = (part) => this.room.teach("turn", { part });
    const button = (text, part, main) => make("button", { type: "button", class: main ? "bnviz-main" : "", title: open ? "Close the question first" : titles[part - 1] ?? "",
      disabled: open || part < 1 || part > count, click: () => turn(part) }, text);
    const select = make("select", { "aria-label": "Turn the class to a part", disabled: open, change: () => turn(Number(select.value)) },
      ...(at ? [] : [make("option", { value: 0 }, "A run shared by hand")]), ...titles.map((title, place) => make("option", { value: place + 1 }, `${place + 1}. ${title}`)));
    select.value = at;
    return [button("Back", at - 1, false), select, button(at ? "Next" : "To the lesson", at + 1, true)];
  }

  looking({ at, parts, open }, part, apart, ended) {
    if (parts.length < 2 && !apart) return [];
    const look = (value) => {
      this.room.look(value === FOLLOW ? null : Number(value));
      const there = new URL(location.href);
      if (value === FOLLOW) there.searchParams.delete("part");
      else there.searchParams.set("part", value);
      history.replaceState(null, "", there);
    };
    const follow = ended ? "Where the class ended" : `With the class${at ? `: part ${at}` : ""}`;
    const select = make("select", { "aria-label": "The part to look at", change: () => look(select.value) },
      make("option", { value: FOLLOW }, follow), ...parts.map((item) => make("option", { value: item.part }, `${item.part}. ${item.title}${item.shown ? "" : " (not shown yet)"}`)));
    select.value = apart ? part : FOLLOW;
    const back = make("button", { type: "button", class: open ? "bnviz-main" : "", click: () => look(FOLLOW) }, open ? "The class votes: go there" : "Back to the class");
    return [select, ...(apart && !ended ? [back] : [])];
  }
}
