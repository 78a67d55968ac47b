// The bar that plays, pauses, steps, looks back, and changes the learning rate.

import { grouped, icon, lasting, make, write } from "./elements.js";
import { Part } from "./hub.js";

const SPEEDS = [
  [2, "2 steps/s, slow motion"], [10, "10 steps/s"], [50, "50 steps/s"], [200, "200 steps/s"],
  [1000, "1,000 steps/s"], [null, "full speed"],
];

/** Play, step, reset, the scrubber, the speed, and the learning rate from here on. */
export class Transport extends Part {
  constructor(node) {
    super(node);
    const button = (name, text, label, listener) =>
      make("button", { type: "button", class: `bnviz-${name}`, "aria-label": label, title: label, click: listener },
        icon(name), make("span", {}, text));
    this.play = button("play", "Play", "Play", () => this.toggle());
    this.next = button("step", "Step", "Train a single step", () => this.hub.act("step", { steps: 1 }));
    this.again = button("reset", "Reset", "Start again from step 0", () => this.reset());
    this.fold = make("button",
      { type: "button", class: "bnviz-fold", "aria-label": "Change the learning rate", title: "Change the learning rate", "aria-expanded": "false", click: () => this.unfold() },
      icon("more"));
    this.where = make("span", { class: "bnviz-where" });
    this.live = make("button", { type: "button", class: "bnviz-live", hidden: true, click: () => this.release(null) }, "Live");
    this.scrubber = make("input", {
      type: "range", min: 0, max: 1, value: 0, step: 1, class: "bnviz-scrubber", "aria-label": "Look at an earlier step",
      input: () => this.drag(), change: () => this.release(this.hub.step), keydown: (event) => this.nudge(event),
    });
    this.speed = make("select", { change: () => this.pace() },
      ...SPEEDS.map(([value, text]) => make("option", { value: JSON.stringify(value) }, text)));
    this.rate = make("input", { type: "number", min: 0, max: 100, step: "any", required: true, inputmode: "decimal" });
    this.arm = make("select", { "aria-label": "For which network" });
    this.drivers = make("div", { class: "bnviz-buttons" }, this.play, this.next, this.again);
    this.pacing = make("label", { class: "bnviz-pace" }, make("span", {}, "Speed"), this.speed);
    this.more = make("div", { class: "bnviz-more" },
      this.form = make("form", { submit: (event) => this.intervene(event) },
        make("label", {}, make("span", {}, "Learning rate"), this.rate), this.arm,
        make("button", { type: "submit" }, "Apply from here")));
    this.afresh = make("button", { type: "button", class: "bnviz-afresh", hidden: true, click: () => this.retrain() }, "Train again");
    this.message = make("p", { class: "bnviz-message", role: "status", "aria-live": "polite" });
    this.node.append(this.drivers, make("div", { class: "bnviz-progress" },
      make("div", {}, this.where, this.live), this.scrubber), this.pacing, this.fold, this.more,
      make("div", { class: "bnviz-notice" }, this.message, this.afresh));
    this.play.id = "bnviz-play";
    this.skip = make("a", { href: "#bnviz-play", class: "bnviz-skip", click: (event) => {
      event.preventDefault(); // the address is Python's
      (this.play.disabled ? this.scrubber : this.play).focus();
    } }, "Skip to Play");
    document.body.prepend(this.skip);
    this.keys = (event) => this.shortcut(event);
    document.addEventListener("keydown", this.keys);
  }

  adopt() {
    if (this.reported === undefined) {
      this.hub.step = this.reported = this.data.at;
      // A lab's bar comes when the question is answered, below which a reader may stand: the figure is above.
      if (this.data.simple && !this.reveal()) this.node.closest("[data-testid=stMain]")?.scrollTo({ top: 0 });
    } else this.release(null); // what was looked back at belonged to another run
    this.rate.value = this.data.learning_rate ?? "";
  }

  update(component) {
    super.update(component);
    this.hub.key = this.data.key ?? null;
  }

  close() {
    document.removeEventListener("keydown", this.keys);
    this.skip.remove();
    super.close();
  }

  get driving() {
    return Boolean(this.data.key) && !this.hub.gone;
  }

  /** Whether an earlier step is looked at. A link may name one that training has yet to reach. */
  get back() {
    return this.hub.step !== null && this.hub.step < (this.hub.status?.step ?? 0);
  }

  toggle() {
    if (!this.hub.moving && this.back) this.release(null);
    if (!this.hub.moving) this.reveal();
    this.hub.act(this.hub.moving ? "pause" : "play");
  }

  /** On a phone a lesson's text fills the screen above the picture: bring what moves into view. Returns whether. */
  reveal() {
    if (!matchMedia("(max-width: 640px)").matches || !document.querySelector(".st-key-lesson")) return false;
    const moves = this.node.closest(".st-key-lab-figure") ?? document.querySelector(".bnviz-readouts, .bnviz-figure");
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
    moves?.scrollIntoView({ block: "start", behavior });
    return Boolean(moves);
  }

  reset() {
    this.release(null);
    this.hub.act("reset");
  }

  /** Train in earnest what would be played back. */
  retrain() {
    this.release(null);
    this.hub.act("play", { fresh: true });
  }

  /** Set the speed and tell Python, which puts it into the address. */
  pace() {
    this.hub.act("speed", { speed: JSON.parse(this.speed.value) });
    this.component.setStateValue("speed", this.speed.value);
  }

  unfold() {
    const open = this.fold.getAttribute("aria-expanded") !== "true";
    this.fold.setAttribute("aria-expanded", String(open));
    this.more.toggleAttribute("data-open", open);
  }

  intervene(event) {
    event.preventDefault();
    const body = { field: "learning_rate", value: this.rate.valueAsNumber };
    this.hub.act("intervene", this.arm.value ? { ...body, arm: Number(this.arm.value) } : body);
  }

  /** The recorded step at or before `step`; null where that is the latest. */
  recorded(step) {
    const { steps } = this.hub;
    let index = steps.findIndex((item) => item > step);
    if (index < 0) index = steps.length;
    return index >= steps.length ? null : steps[Math.max(0, index - 1)];
  }

  drag() {
    this.hub.look(this.recorded(this.scrubber.valueAsNumber));
  }

  /** Look at a step and tell Python, which puts it into the address. */
  release(step) {
    this.hub.look(step);
    if (step !== this.reported) this.component.setStateValue("at", step);
    this.reported = step;
  }

  /** Arrow keys move the scrubber by one record, not by one step. */
  nudge(event) {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const { steps, step } = this.hub;
    const here = step === null ? steps.length - 1 : steps.indexOf(step);
    const there = Math.max(0, here + by);
    this.release(there >= steps.length - 1 ? null : steps[there]);
  }

  /** Space plays and pauses, → makes one step, unless the key belongs to a control. */
  shortcut(event) {
    const busy = event.target.closest?.("input, textarea, select, button, a, summary, [contenteditable], [role]:not(main, [role=figure])");
    if (busy || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !this.driving) return;
    if (event.key === " ") this.toggle();
    else if (event.key === "ArrowRight") this.hub.act("step", { steps: 1 });
    else return;
    event.preventDefault();
  }

  refresh() {
    const { status, step, steps } = this.hub;
    this.drivers.hidden = this.pacing.hidden = this.skip.hidden = !this.data.key;
    this.fold.hidden = this.more.hidden = !this.data.key || Boolean(this.data.fixed_rate);
    write(this.message, this.words());
    this.message.classList.toggle("bnviz-alarm", Boolean(this.hub.gone || this.hub.complaint || status?.state === "failed"));
    if (this.hub.gone && !this.message.querySelector("button")) {
      this.message.append(" ", make("button", { type: "button", click: () => location.reload() }, "Reload"));
    }
    const state = status?.state;
    const done = state === "finished";
    this.afresh.hidden = !this.driving || !status?.kept;
    this.tell(status);
    this.node.classList.toggle("bnviz-simple", Boolean(this.data.simple));
    if (this.data.simple && Boolean(status?.done) !== Boolean(this.done)) {
      this.done = Boolean(status?.done);
      this.component.setStateValue("done", this.done ? this.data.run : null);
    }
    for (const button of [this.play, this.next]) button.disabled = !this.driving || !state || done || state === "failed";
    this.again.disabled = !this.driving || !state || state === "ready";
    if (!status) return;
    const doing = this.hub.moving ? "pause" : "play";
    if (this.play.dataset.doing !== doing) {
      this.play.dataset.doing = doing;
      this.play.replaceChildren(icon(doing), make("span", {}, this.hub.moving ? "Pause" : "Play"));
      this.play.setAttribute("aria-label", this.hub.moving ? "Pause" : "Play");
      this.play.title = `${this.hub.moving ? "Pause" : "Play"} (space)`;
    }
    this.node.dataset.state = state;
    const at = this.back ? step : status.step;
    write(this.where, this.back
      ? `step ${grouped(step)}, training is at ${grouped(status.step)}`
      : `step ${grouped(status.step)} of ${grouped(status.steps)}${this.left(status)}`);
    this.live.hidden = !this.back;
    this.scrubber.disabled = steps.length < 2;
    this.scrubber.max = status.steps;
    this.scrubber.value = at;
    this.scrubber.setAttribute("aria-valuetext", `step ${grouped(at)} of ${grouped(status.steps)}`);
    this.scrubber.style.setProperty("--done", `${(100 * status.step) / status.steps}%`);
    if (document.activeElement !== this.speed) this.showSpeed(status.speed);
    const arms = status.words.arms.slice(0, this.data.arms); // what comes after was measured earlier
    if (this.arm.options.length !== arms.length + 1) {
      this.arm.replaceChildren(make("option", { value: "" }, arms.length > 2 ? "for all" : "for both"),
        ...arms.map((arm, index) => make("option", { value: index }, `for ${arm.name}`)));
      this.arm.hidden = arms.length < 2;
    }
  }

  /** The run's speed among those to choose from; a link may ask for any. */
  showSpeed(speed) {
    const value = JSON.stringify(speed);
    if (![...this.speed.options].some((option) => option.value === value)) {
      const faster = [...this.speed.options].find((option) => option.value === "null" || Number(option.value) > speed);
      this.speed.insertBefore(make("option", { value }, `${speed.toLocaleString("en-US")} steps/s`), faster);
    }
    this.speed.value = value;
  }

  /** Tell Python when a change was made mid-run, or a reset undid it: the address contains the changes. */
  tell(status) {
    const changes = JSON.stringify(status?.words.changes ?? []);
    const before = this.changes ?? "[]";
    this.changes = changes;
    if (changes !== before && this.data.key) this.component.setStateValue("changes", changes);
  }

  /** How long it will take, where that is more than a moment; from the pace of the last few seconds. */
  left(status) {
    if (status.state === "finished") return " · finished"; // here, and not in a line of its own: nothing moves at the end
    const now = performance.now() / 1000;
    if (status.state !== "running") this.seen = [];
    else if (!this.seen?.length || this.seen.at(-1).step !== status.step) this.seen = [...(this.seen ?? []), { now, step: status.step }].slice(-25);
    const [first, last] = [this.seen?.[0], this.seen?.at(-1)];
    if (!first || last.now - first.now < 1 || last.step <= first.step) return "";
    const left = lasting((status.steps - status.step) * (last.now - first.now) / (last.step - first.step));
    return left && ` · ${left}`;
  }

  /** How the run stands, in words. */
  words() {
    const { hub } = this;
    if (hub.gone) return hub.gone;
    if (hub.away) return "Reconnecting…";
    if (hub.complaint) return hub.complaint;
    if (!hub.status) return "";
    const { state, message, words: { changes } } = hub.status;
    const usual = {
      starting: "Starting the trainers…",
      paused: "Paused.",
      failed: "Training failed.",
    }[state] ?? "";
    const changed = changes.map((item) => `From step ${grouped(item.step)}: ${item.text}.`);
    const kept = hub.status.kept ? "Played back: trained earlier on this server." : "";
    return [message || usual, kept, ...changed].filter(Boolean).join(" ");
  }
}
