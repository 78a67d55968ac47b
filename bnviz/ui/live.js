// The moving parts of a page: the transport bar, the two networks' numbers, the figures.
//
// Python mounts a component with the run's id and a figure's name; all the rest happens here, against
// the routes of bnviz/web.py, so that nothing on the page is made anew while training runs. One Hub for
// each run asks how it stands and tells the parts; a figure is fetched when it can be seen and what was
// recorded has changed. Streamlit calls the functions at the end of this file again at every rerun
// and theme switch: a part is kept for as long as its element lives.

const ASK_RUNNING = 220, ASK_IDLE = 1000, ASK_HIDDEN = 5000; // ms between two questions to the server
const PATIENCE = 8000; // ms after which a question counts as unanswered
const NARROW = 520; // px: below this width figures stack their panels
const SPEEDS = [
  [2, "slow motion, 2 a second"], [10, "10 steps a second"], [50, "50 a second"], [200, "200 a second"],
  [1000, "1,000 a second"], [null, "as fast as possible"],
];
const DASHES = { solid: "none", dash: "9 5", dot: "3 4", dashdot: "10 4 3 4", longdash: "15 5" };
const ICONS = {
  play: "M7 4.5v15l13-7.5z",
  pause: "M6 4.5h4.5v15H6zM13.5 4.5H18v15h-4.5z",
  step: "M5 4.5v15l10-7.5zM16.5 4.5H19v15h-2.5z",
  reset: "M12 5V1.5L6.5 6.5 12 11.5V8a5.5 5.5 0 1 1-5.5 5.5H3.5A8.5 8.5 0 1 0 12 5z",
  more: "M5 10.25a1.75 1.75 0 1 1 0 3.5a1.75 1.75 0 0 1 0-3.5zM12 10.25a1.75 1.75 0 1 1 0 3.5a1.75 1.75 0 0 1 0-3.5zM19 10.25a1.75 1.75 0 1 1 0 3.5a1.75 1.75 0 0 1 0-3.5z",
};

const grouped = (number) => Math.round(number).toLocaleString("en-US");

/** An element with attributes (functions become listeners) and children. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function drawing(width, height, ...shapes) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-hidden", "true");
  for (const [tag, attributes] of shapes) {
    const shape = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    svg.append(shape);
  }
  return svg;
}

const icon = (name) => drawing(24, 24, ["path", { d: ICONS[name], fill: "currentColor" }]);

/** Writes only what is new, so that a screen reader speaks only of changes. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** What the server says in words when it refuses. */
async function sentence(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

// ---------------------------------------------------------------------------------------------- Hub

/** What a page knows of one run, and the view that all its parts share. */
class Hub {
  static #all = new Map();

  static of(data) {
    const name = `${data.base}|${data.run}`;
    if (!Hub.#all.has(name)) Hub.#all.set(name, new Hub(data.base, data.run));
    return Hub.#all.get(name);
  }

  status = null; // the server's latest answer
  steps = []; // the recorded steps
  step = null; // the step looked back at; null follows the training
  layer = 1; // the layer that the story speaks of
  key = null; // what entitles this page to drive the run
  away = false; // the server does not answer
  gone = ""; // why there is no such run, in words
  complaint = ""; // why the last action was refused, in words
  #parts = new Set();
  #asking = false;
  #rouse = null;
  #failures = 0;
  #drawing = 0;

  constructor(base, run) {
    this.base = base;
    this.url = `${base}/runs/${encodeURIComponent(run)}`;
  }

  join(part) {
    this.#parts.add(part);
    if (!this.#asking) this.#keepAsking();
    else if (this.status) part.refresh();
  }

  leave(part) {
    this.#parts.delete(part);
    if (!this.#parts.size) this.#rouse?.();
  }

  /** Look back at a recorded step, or follow the training again with null. */
  look(step) {
    if (step === this.step) return;
    this.step = step;
    this.tell();
    this.ask();
  }

  /** Ask now rather than when it is time. */
  ask() {
    this.#rouse?.();
  }

  tell() {
    for (const part of this.#parts) part.refresh();
  }

  /** A part reports how long drawing took, so that asking leaves the browser time to breathe. */
  drew(milliseconds) {
    this.#drawing += milliseconds;
  }

  async act(action, body = {}) {
    this.complaint = "";
    try {
      const answer = await fetch(`${this.url}/${action}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Bnviz-Key": this.key ?? "" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (!answer.ok) this.complaint = await sentence(answer);
    } catch {
      this.complaint = "The server did not answer; please try again.";
    }
    this.tell();
    this.ask();
  }

  async #keepAsking() {
    this.#asking = true;
    while (this.#parts.size && !this.gone) {
      await this.#question();
      this.tell();
      const wait = this.#pause();
      this.#drawing = 0;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, wait);
        this.#rouse = () => { clearTimeout(timer); resolve(); };
      });
      this.#rouse = null;
    }
    this.#asking = false;
  }

  #pause() {
    if (this.away) return Math.min(5000, 400 * 2 ** this.#failures);
    if (document.hidden) return ASK_HIDDEN;
    const moving = ["running", "starting"].includes(this.status?.state);
    return moving ? Math.max(ASK_RUNNING, this.#drawing) : ASK_IDLE;
  }

  async #question() {
    const query = new URLSearchParams({ layer: this.layer });
    if (this.step !== null) query.set("step", this.step);
    if (this.steps.length) query.set("known", `${this.steps.length}:${this.steps.at(-1)}`);
    const asked = this.step;
    try {
      const answer = await fetch(`${this.url}?${query}`, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
      if (answer.status === 404) {
        this.gone = await sentence(answer);
      } else if (answer.ok) {
        const status = await answer.json();
        this.steps = this.steps.slice(0, status.known).concat(status.recorded_steps);
        if (asked !== this.step && this.status) status.words = this.status.words; // these speak of another step
        this.status = status;
      } else {
        throw new Error(await sentence(answer));
      }
      this.away = false;
      this.#failures = 0;
    } catch {
      this.away = true;
      this.#failures += 1;
    }
  }
}

/** A part of a page: it lives as long as its element and follows one run. */
class Part {
  hub = null;

  constructor(parent) {
    this.node = parent.querySelector("[data-bnviz]");
  }

  update(component) {
    this.component = component;
    this.data = component.data;
    const hub = Hub.of(this.data);
    if (hub !== this.hub) {
      this.hub?.leave(this);
      this.hub = hub;
      this.adopt();
      hub.join(this);
    } else {
      this.refresh();
    }
  }

  /** Called before a new run is followed. */
  adopt() {}

  close() {
    this.hub?.leave(this);
  }
}

// ---------------------------------------------------------------------------------------- Transport

/** Play, step, reset, the scrubber, the speed, and the learning rate from here on. */
class Transport extends Part {
  constructor(parent) {
    super(parent);
    const button = (name, text, label, listener) =>
      make("button", { type: "button", class: `bnviz-${name}`, "aria-label": label, title: label, click: listener },
        icon(name), make("span", {}, text));
    this.play = button("play", "Play", "Play", () => this.toggle());
    this.next = button("step", "Step", "Train a single step", () => this.hub.act("step", { steps: 1 }));
    this.again = button("reset", "Reset", "Start again from step 0", () => this.reset());
    this.fold = make("button",
      { type: "button", class: "bnviz-fold", "aria-label": "Speed and learning rate", "aria-expanded": "false", click: () => this.unfold() },
      icon("more"));
    this.where = make("span", { class: "bnviz-where" });
    this.live = make("button", { type: "button", class: "bnviz-live", hidden: true, click: () => this.release(null) }, "Live");
    this.scrubber = make("input", {
      type: "range", min: 0, max: 1, value: 0, step: 1, class: "bnviz-scrubber", "aria-label": "Look at an earlier step",
      input: () => this.drag(), change: () => this.release(this.hub.step), keydown: (event) => this.nudge(event),
    });
    this.speed = make("select", { change: () => this.hub.act("speed", { speed: JSON.parse(this.speed.value) }) },
      ...SPEEDS.map(([value, text]) => make("option", { value: JSON.stringify(value) }, text)));
    this.rate = make("input", { type: "number", min: 0, max: 100, step: "any", required: true, inputmode: "decimal" });
    this.arm = make("select", { "aria-label": "For which network" });
    this.drivers = make("div", { class: "bnviz-buttons" }, this.play, this.next, this.again);
    this.more = make("div", { class: "bnviz-more" },
      make("label", {}, make("span", {}, "Speed"), this.speed),
      make("form", { submit: (event) => this.intervene(event) },
        make("label", {}, make("span", {}, "Learning rate"), this.rate), this.arm,
        make("button", { type: "submit" }, "Apply from here")));
    this.message = make("p", { class: "bnviz-message", role: "status", "aria-live": "polite" });
    this.node.append(this.drivers, make("div", { class: "bnviz-progress" },
      make("div", {}, this.where, this.live), this.scrubber), this.fold, this.more, this.message);
    this.keys = (event) => this.shortcut(event);
    document.addEventListener("keydown", this.keys);
  }

  adopt() {
    if (Number.isInteger(this.data.at)) this.hub.step = this.data.at;
    this.rate.value = this.data.learning_rate ?? "";
  }

  update(component) {
    super.update(component);
    this.hub.key = this.data.key ?? null;
  }

  close() {
    document.removeEventListener("keydown", this.keys);
    super.close();
  }

  get driving() {
    return Boolean(this.data.key) && !this.hub.gone;
  }

  get moving() {
    return ["running", "starting"].includes(this.hub.status?.state);
  }

  toggle() {
    if (!this.moving) this.release(null);
    this.hub.act(this.moving ? "pause" : "play");
  }

  reset() {
    this.release(null);
    this.hub.act("reset");
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

  /** Look at a step and tell the script, which puts it into the address. */
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
    const busy = event.target.closest?.("input, textarea, select, button, a, summary, [contenteditable], [role]:not(main, [role=img])");
    if (busy || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !this.driving) return;
    if (event.key === " ") this.toggle();
    else if (event.key === "ArrowRight") this.hub.act("step", { steps: 1 });
    else return;
    event.preventDefault();
  }

  refresh() {
    const { status, step, steps } = this.hub;
    this.drivers.hidden = this.fold.hidden = this.more.hidden = !this.data.key;
    write(this.message, this.words());
    this.message.classList.toggle("bnviz-alarm", Boolean(this.hub.gone || this.hub.complaint || status?.state === "failed"));
    if (this.hub.gone && !this.message.querySelector("button")) {
      this.message.append(" ", make("button", { type: "button", click: () => location.reload() }, "Reload"));
    }
    const state = status?.state;
    const done = state === "finished";
    for (const button of [this.play, this.next]) button.disabled = !this.driving || !state || done || state === "failed";
    this.again.disabled = !this.driving || !state || state === "ready";
    if (!status) return;
    const doing = this.moving ? "pause" : "play";
    if (this.play.dataset.doing !== doing) {
      this.play.dataset.doing = doing;
      this.play.replaceChildren(icon(doing), make("span", {}, this.moving ? "Pause" : "Play"));
      this.play.setAttribute("aria-label", this.moving ? "Pause" : "Play");
      this.play.title = `${this.moving ? "Pause" : "Play"} (space)`;
    }
    this.node.dataset.state = state;
    const at = step ?? status.step;
    write(this.where, step === null
      ? `step ${grouped(status.step)} of ${grouped(status.steps)}`
      : `looking back at step ${grouped(step)}, training is at ${grouped(status.step)}`);
    this.live.hidden = step === null;
    this.scrubber.disabled = steps.length < 2;
    this.scrubber.max = status.steps;
    this.scrubber.value = at;
    this.scrubber.setAttribute("aria-valuetext", `step ${grouped(at)} of ${grouped(status.steps)}`);
    this.scrubber.style.setProperty("--done", `${(100 * status.step) / status.steps}%`);
    if (document.activeElement !== this.speed) this.speed.value = JSON.stringify(status.speed);
    if (this.arm.options.length !== status.words.arms.length + 1) {
      this.arm.replaceChildren(make("option", { value: "" }, "for both"),
        ...status.words.arms.map((arm, index) => make("option", { value: index }, `for ${arm.name}`)));
      this.arm.hidden = status.words.arms.length < 2;
    }
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
      finished: "Finished.",
      paused: "Paused.",
      failed: "Training failed.",
    }[state] ?? "";
    const changed = changes.map((item) => `From step ${grouped(item.step)}: ${item.text}.`);
    return [message || usual, ...changed].filter(Boolean).join(" ");
  }
}

// ----------------------------------------------------------------------------------------- Readouts

/** Each network's name, loss and accuracy, and the story in words. */
class Readouts extends Part {
  arms = [];

  constructor(parent) {
    super(parent);
    this.row = make("div", { class: "bnviz-arms" });
    this.story = make("p", { class: "bnviz-story" });
    this.node.append(this.row, this.story);
  }

  update(component) {
    const moved = this.data?.layer !== component.data.layer;
    Hub.of(component.data).layer = component.data.layer ?? 1;
    super.update(component);
    if (moved) this.hub.ask();
  }

  refresh() {
    const { status } = this.hub;
    if (!status) return;
    const looks = JSON.stringify(status.words.arms.map(({ name, colour, dash }) => [name, colour, dash]));
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

  card({ name, colour, dash }) {
    const line = { x1: 1, y1: 5, x2: 35, y2: 5, stroke: colour, "stroke-width": 4, "stroke-dasharray": DASHES[dash] };
    const [loss, accuracy, note] = ["bnviz-number", "bnviz-number", "bnviz-alarm"].map((name) => make("span", { class: name }));
    const card = make("div", { class: "bnviz-arm" },
      make("div", { class: "bnviz-name" }, drawing(36, 10, ["line", line]), make("span", {}, name)),
      make("div", {}, loss, make("span", { class: "bnviz-unit" }, "loss")),
      make("div", {}, accuracy, make("span", { class: "bnviz-unit" }, "accuracy")), note);
    return { card, loss, accuracy, note };
  }
}

// ------------------------------------------------------------------------------------------- Figure

let plotly = null;

/** plotly.js, loaded when the first figure needs it. */
function loadPlotly(url) {
  plotly ??= new Promise((resolve, reject) => {
    document.head.append(make("script", {
      src: url,
      load: () => resolve(window.Plotly),
      error: (event) => {
        event.target.remove();
        plotly = null;
        reject(new Error("plotly.js did not arrive"));
      },
    }));
  });
  return plotly;
}

/** "light" or "dark", after the background that the theme gives this element. */
function theme(node) {
  const probe = make("span", { style: "color: var(--st-background-color, white); display: none" });
  node.append(probe);
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  probe.remove();
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "dark" : "light";
}

/** A Plotly figure of the run. */
class Figure extends Part {
  shown = ""; // the query and the recording that the drawn figure belongs to
  drawn = false;
  busy = false;
  visible = false;

  constructor(parent) {
    super(parent);
    this.plot = make("div", { class: "bnviz-plot", role: "img" });
    this.quiet = make("p", { class: "bnviz-quiet" }, "Loading…");
    this.node.append(this.plot, this.quiet);
    this.watcher = new IntersectionObserver((entries) => {
      this.visible = entries.at(-1).isIntersecting;
      this.refresh();
    }, { rootMargin: "200px" });
    this.watcher.observe(this.node);
    this.sizes = new ResizeObserver(() => {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.resize());
    });
    this.sizes.observe(this.node);
  }

  adopt() {
    this.shown = "";
  }

  close() {
    super.close();
    this.watcher.disconnect();
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
    if (this.drawn) window.Plotly.purge(this.plot);
  }

  resize() {
    if (this.drawn && this.node.clientWidth) window.Plotly.Plots.resize(this.plot);
    this.refresh();
  }

  query() {
    const query = new URLSearchParams({ run: this.data.run, theme: theme(this.node) });
    for (const [name, value] of Object.entries(this.data.args)) if (value !== null) query.set(name, typeof value === "boolean" ? Number(value) : value);
    if (this.hub.step !== null) query.set("step", this.hub.step);
    if (this.node.clientWidth < NARROW) query.set("narrow", 1);
    return query.toString();
  }

  async refresh() {
    if (this.busy || !this.visible || !this.hub?.status || !this.node.clientWidth) return;
    const query = this.query();
    const wanted = `${query}@${this.hub.status.recorded}`;
    if (wanted === this.shown) return;
    this.busy = true;
    try {
      const headers = this.tag && this.shown.startsWith(`${query}@`) ? { "If-None-Match": this.tag } : {};
      const [answer, Plotly] = await Promise.all([
        fetch(`${this.data.base}/figures/${this.data.name}?${query}`,
          { headers, signal: AbortSignal.timeout(PATIENCE), cache: "no-store" }),
        loadPlotly(this.data.plotly),
      ]);
      if (answer.ok) {
        await this.draw(Plotly, await answer.json());
        this.tag = answer.headers.get("ETag");
        this.shown = `${query}@${answer.headers.get("X-Bnviz-Recorded")}`;
      } else {
        if (answer.status !== 304) this.say(await sentence(answer));
        this.shown = wanted;
      }
    } catch (error) {
      if (!this.drawn) this.say("Reconnecting…");
      if (!["TypeError", "TimeoutError", "AbortError"].includes(error.name)) console.error(error);
    } finally {
      this.busy = false;
    }
    if (this.hub && !this.hub.away && this.query() !== query) this.refresh();
  }

  async draw(Plotly, { data, layout }) {
    const begun = performance.now();
    const { width, height, ...rest } = layout;
    const touch = matchMedia("(pointer: coarse)").matches; // there a finger on a figure scrolls the page
    const shape = { uirevision: this.data.name, ...rest, autosize: true, ...(touch && { dragmode: false }) };
    const config = {
      displaylogo: false, displayModeBar: touch ? false : "hover", modeBarButtons: [["toImage", "resetScale2d"]],
      toImageButtonOptions: { filename: `bnviz-${this.data.name}`, scale: 2 },
    };
    await Plotly.react(this.plot, data, shape, config);
    this.drawn = true;
    this.plot.setAttribute("aria-label", layout.meta?.alt ?? this.data.title);
    this.say("");
    this.hub.drew(performance.now() - begun);
  }

  say(text) {
    write(this.quiet, text);
    this.quiet.hidden = !text;
  }
}

// ------------------------------------------------------------------------------------------ mounting

const parts = new WeakMap();

function mount(Kind, component) {
  const parent = component.parentElement;
  const { style } = component.data;
  if (!document.querySelector(`link[href="${style}"]`)) {
    document.head.append(make("link", { rel: "stylesheet", href: style }));
  }
  if (!parts.has(parent)) parts.set(parent, new Kind(parent));
  const part = parts.get(parent);
  part.update(component);
  return () => {
    parts.delete(parent);
    part.close();
  };
}

export const transport = (component) => mount(Transport, component);
export const readouts = (component) => mount(Readouts, component);
export const figure = (component) => mount(Figure, component);
