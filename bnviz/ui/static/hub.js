// What all parts of a page share: how a run stands, asked for once for all of them.

import { Poller } from "./poller.js";
import { post } from "./route.js";

const ASK_RUNNING = 220, ASK_IDLE = 1000, ASK_HIDDEN = 5000; // ms between two requests

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
  lesson = null; // the lesson and its part whose words are asked for, as parameters of the query
  key = null; // the key with which this page may drive the run
  complaint = ""; // why the last action was refused, in words
  #name;
  #parts = new Set();
  #poller;

  constructor(name, { base, run, every = 0 }) {
    this.#name = name;
    this.every = every; // ms between two requests at least
    this.url = `${base}/runs/${encodeURIComponent(run)}`;
    this.#poller = new Poller({
      request: () => ({ url: `${this.url}?${this.#query()}`, step: this.step }),
      take: async (answer, { step }) => this.#take(await answer.json(), step),
      tell: () => this.tell(),
      pause: () => Math.max(this.every, this.moving ? ASK_RUNNING : ASK_IDLE),
      hidden: ASK_HIDDEN,
    });
  }

  /** Whether the server does not answer. */
  get away() {
    return this.#poller.away;
  }

  /** Why there is no such run, in words; "" while there is. */
  get gone() {
    return this.#poller.gone;
  }

  /** Whether the run trains, or is about to. */
  get moving() {
    return ["running", "starting"].includes(this.status?.state);
  }

  join(part) {
    this.#parts.add(part);
    this.#poller.start();
    if (this.status || this.gone) part.refresh();
  }

  leave(part) {
    this.#parts.delete(part);
    if (this.#parts.size) return;
    Hub.#all.delete(this.#name);
    this.#poller.stop();
  }

  /** Look back at a recorded step, or follow the training again with null. */
  look(step) {
    if (step === this.step) return;
    this.step = step;
    this.tell();
    this.ask();
  }

  /** Ask now. */
  ask() {
    this.#poller.ask();
  }

  tell() {
    for (const part of this.#parts) part.refresh();
  }

  /** A part reports how long drawing took, so that the next request waits a little. */
  drew(milliseconds) {
    this.#poller.drew(milliseconds);
  }

  async act(action, body = {}) {
    this.complaint = "";
    const asked = this.step;
    try {
      this.#take(await post(`${this.url}/${action}?${this.#query()}`, body, { "X-Bnviz-Key": this.key ?? "" }), asked);
    } catch (error) {
      this.complaint = error.message;
    }
    this.tell();
    this.ask();
  }

  #query() {
    const query = new URLSearchParams();
    if (this.layer !== null) query.set("layer", this.layer);
    if (this.step !== null) query.set("step", this.step);
    for (const [name, value] of Object.entries(this.lesson ?? {})) query.set(name, value);
    if (this.steps.length) query.set("known", `${this.steps.length}:${this.steps.at(-1)}`);
    return query;
  }

  /** Take in how the run stands, as told to a request about the step `asked`. */
  #take(status, asked) {
    if (status.revision < this.status?.revision) return; // overtaken by a later answer
    this.steps = this.steps.slice(0, status.known).concat(status.recorded_steps);
    if (asked !== this.step && this.status) status.words = this.status.words; // these speak of another step
    this.status = status;
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
