// What a class's page knows of its class, and what it sends to the server.

import { Poller } from "./poller.js";
import { Route, post, save } from "./route.js";

const ASK_HIDDEN = 10000; // ms between two requests while nobody can see the page
const TEACHER = "bnviz.teacher.", VOTER = "bnviz.voter";

/** 32 random characters, the same for as long as this browser keeps its storage. */
function voter() {
  const made = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    if (!localStorage.getItem(VOTER)) localStorage.setItem(VOTER, made);
    return localStorage.getItem(VOTER);
  } catch {
    return made; // storage is forbidden: this page's answer counts, a reload is another voter
  }
}

/** The teacher's key, which stands behind the # of the teacher's link alone, where no server and no neighbour sees it. */
function teacherKey(code) {
  const given = new URLSearchParams(location.hash.slice(1)).get("teacher");
  try {
    if (given) sessionStorage.setItem(TEACHER + code, given);
    if (given) history.replaceState(null, "", location.pathname + location.search); // what is on a projector is read
    return sessionStorage.getItem(TEACHER + code);
  } catch {
    return given;
  }
}

/** What a page knows of its class. joins: whether it is there to answer. Calls `tell` whenever something changes. */
export class Room {
  standing = null; // the server's latest answer
  votes = []; // what this browser answered, round by round
  teacher = false; // whether the key fits
  runKey = null; // the key to drive the run, for teachers alone
  complaint = ""; // why the last action was refused, in words
  #told = "";
  #mine = new Route();
  #poller;

  constructor(base, code, pause, joins, tell) {
    Object.assign(this, { base, code, pause, joins, tell });
    this.url = `${base}/classes/${code}`;
    this.key = teacherKey(code);
    this.voter = voter();
    this.#poller = new Poller({
      request: () => ({ url: this.url, headers: this.key ? { "X-Bnviz-Key": this.key } : {} }),
      take: async (answer) => this.#take(await answer.json()),
      tell,
      pause: () => this.pause,
      hidden: ASK_HIDDEN,
      spread: 0.15, // a hundred phones, not all at once
    });
    this.#poller.start();
  }

  /** Whether the server does not answer. */
  get away() {
    return this.#poller.away;
  }

  /** Why there is no such class, in words; "" while there is. */
  get gone() {
    return this.#poller.gone;
  }

  get teacherLink() {
    return `${location.origin}${location.pathname}#teacher=${this.key}`;
  }

  /** Ask, close, show, end, address: what the teacher decides. */
  teach(action, body = {}) {
    return this.#post(action, body, { "X-Bnviz-Key": this.key ?? "" });
  }

  /** Save the answers that are shown as a file, for the teacher. */
  async saveAnswers() {
    this.complaint = "";
    try {
      await save(`${this.url}/answers.csv`, `bnviz-answers-${this.code}.csv`, { "X-Bnviz-Key": this.key ?? "" });
    } catch (error) {
      this.complaint = error.message;
    }
    this.tell();
  }

  /** Lock in an answer. */
  async vote(answer) {
    await this.#post("vote", { round: this.standing.round, answer }, { "X-Bnviz-Voter": this.voter });
    await this.#askMine();
    this.tell();
  }

  async #post(action, body, headers) {
    this.complaint = "";
    try {
      await post(`${this.url}/${action}`, body, headers);
    } catch (error) {
      this.complaint = error.message;
    }
    this.tell();
    this.#poller.ask();
  }

  async #take(told) {
    this.standing = told.class;
    this.teacher = Boolean(told.teacher);
    this.runKey = told.run_key ?? null;
    const { run, round, verdict } = this.standing;
    const key = JSON.stringify([run, round, Boolean(verdict)]);
    if (this.joins && !this.teacher && this.standing.question && key !== this.#told) {
      await this.#askMine();
      this.#told = key;
    }
  }

  /** What this browser answered, and how it fared: asked for when that can have changed. */
  async #askMine() {
    const answer = await this.#mine.get(`${this.url}/mine`, { "X-Bnviz-Voter": this.voter });
    if (answer.ok) this.votes = (await answer.json()).votes;
  }
}
