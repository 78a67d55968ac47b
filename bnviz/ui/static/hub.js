// What all parts of a page share: one conversation with the server for each run.

const ASK_RUNNING = 220, ASK_IDLE = 1000, ASK_HIDDEN = 5000; // ms between two questions to the server
export const PATIENCE = 8000; // ms after which a question counts as unanswered

/** What the server says in words when it refuses. */
export async function sentence(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

/** What a page knows of one run, and the view that all its parts share. */
export class Hub {
  static #all = new Map();

  static of(data) {
    const name = `${data.base}|${data.run}`;
    if (!Hub.#all.has(name)) Hub.#all.set(name, new Hub(name, data));
    return Hub.#all.get(name);
  }

  status = null; // the server's latest answer
  steps = []; // the recorded steps
  step = null; // the step looked back at; null follows the training
  layer = null; // the layer that the story speaks of; null is the last
  key = null; // what entitles this page to drive the run
  away = false; // the server does not answer
  gone = ""; // why there is no such run, in words
  complaint = ""; // why the last action was refused, in words
  #name;
  #parts = new Set();
  #asking = false;
  #hurry = false;
  #rouse = null;
  #failures = 0;
  #drawing = 0;

  constructor(name, { base, run, every = 0 }) {
    this.#name = name;
    this.every = every; // ms between two questions at least
    this.url = `${base}/runs/${encodeURIComponent(run)}`;
  }

  join(part) {
    this.#parts.add(part);
    if (!this.#asking) this.#keepAsking();
    else if (this.status) part.refresh();
  }

  leave(part) {
    this.#parts.delete(part);
    if (this.#parts.size) return;
    Hub.#all.delete(this.#name);
    this.#rouse?.();
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
    this.#hurry = true;
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
    const asked = this.step;
    try {
      const answer = await fetch(`${this.url}/${action}?${this.#query()}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Bnviz-Key": this.key ?? "" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (answer.ok) this.#take(await answer.json(), asked);
      else this.complaint = await sentence(answer);
    } catch {
      this.complaint = "The server did not answer; please try again.";
    }
    this.tell();
    this.ask();
  }

  async #keepAsking() {
    this.#asking = true;
    while (this.#parts.size && !this.gone) {
      const begun = performance.now();
      this.#hurry = false;
      await this.#question();
      this.tell();
      if (this.#hurry) continue;
      const wait = Math.max(this.#pause() - (performance.now() - begun), this.#drawing / 2);
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
    return Math.max(this.every, moving ? ASK_RUNNING : ASK_IDLE);
  }

  #query() {
    const query = new URLSearchParams();
    if (this.layer !== null) query.set("layer", this.layer);
    if (this.step !== null) query.set("step", this.step);
    if (this.steps.length) query.set("known", `${this.steps.length}:${this.steps.at(-1)}`);
    return query;
  }

  /** Take in how the run stands, as told to a question about the step `asked`. */
  #take(status, asked) {
    if (status.revision < this.status?.revision) return; // overtaken by a later answer
    this.steps = this.steps.slice(0, status.known).concat(status.recorded_steps);
    if (asked !== this.step && this.status) status.words = this.status.words; // these speak of another step
    this.status = status;
  }

  async #question() {
    const asked = this.step;
    try {
      const answer = await fetch(`${this.url}?${this.#query()}`, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
      if (answer.status === 404) this.gone = await sentence(answer);
      else if (answer.ok) this.#take(await answer.json(), asked);
      else throw new Error(await sentence(answer));
      this.away = false;
      this.#failures = 0;
    } catch {
      this.away = true;
      this.#failures += 1;
    }
  }
}

/** A part of a page: it lives as long as its element and follows one run. */
export class Part {
  hub = null;

  constructor(node) {
    this.node = node;
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
