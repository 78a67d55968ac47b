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
  chosen = null; // the part of the lesson that this browser looks at; null follows the class
  votes = []; // what this browser answered to the questions of the part, round by round
  titles = []; // of all parts of the lesson, and
  notes = ""; // the part's notes as HTML, both for the teacher alone
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
    const part = Number(new URLSearchParams(location.search).get("part"));
    if (part) this.chosen = part;
    this.voter = voter();
    this.#poller = new Poller({
      request: () => ({ url: `${this.url}${this.#query}`, headers: this.key ? { "X-Bnviz-Key": this.key } : {} }),
      take: async (answer) => this.#take(await answer.json()),
      tell,
      pause: () => this.pause,
      hidden: ASK_HIDDEN,
      spread: 0.15, // a hundred phones, not all at once
    });
    this.#poller.start();
  }

  /** Whether this browser looks at another part than the class, and may. */
  get apart() {
    const { lesson } = this.standing ?? {};
    return Boolean(lesson && !this.teacher && this.chosen !== null && this.chosen !== lesson.at && lesson.parts.some(({ part }) => part === this.chosen));
  }

  get #query() {
    return this.apart ? `?part=${this.chosen}` : "";
  }

  /** Look at a part of the lesson; null follows the class. */
  look(part) {
    this.chosen = part;
    this.#poller.ask();
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

  /** Turn, ask, close, show, tell, behind, end, address: what the teacher decides. */
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

  /** Lock in an answer to a question of the part. */
  async vote({ name, round }, answer) {
    const { part } = this.standing;
    await this.#post("vote", { round, answer, part, question: name }, { "X-Bnviz-Voter": this.voter });
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
    const before = this.#query;
    this.standing = told.class;
    this.teacher = Boolean(told.teacher);
    this.runKey = told.run_key ?? null;
    this.titles = told.parts ?? [];
    this.notes = told.notes ?? "";
    if (this.#query !== before) return this.#poller.ask(); // the link names a part, which may be looked at
    const { run, part, questions, lesson } = this.standing;
    const key = JSON.stringify([run, part, questions.map(({ round, verdict }) => [round, Boolean(verdict)])]);
    if (this.joins && !this.teacher && (questions.length || lesson) && key !== this.#told) {
      await this.#askMine();
      this.#told = key;
    }
  }

  /** What this browser answered, and how it fared: asked for when that can have changed. */
  async #askMine() {
    const answer = await this.#mine.get(`${this.url}/mine${this.#query}`, { "X-Bnviz-Voter": this.voter });
    if (answer.ok) this.votes = (await answer.json()).votes;
  }
}
