// The conversation of a class's page with the server.

import { PATIENCE, sentence } from "./hub.js";

const TEACHER = "bnviz.teacher.", VOTER = "bnviz.voter";

/** A text of 32 random signs, the same as long as this browser keeps its storage. */
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

/** What a page knows of its class. Calls `tell` whenever that changes. */
export class Room {
  standing = null; // the server's latest answer
  votes = []; // what this browser answered, round by round
  teacher = false; // whether the key fits
  runKey = null; // what entitles to drive the run; teachers alone are told
  away = false; // the server does not answer
  gone = ""; // why there is no such class, in words
  complaint = ""; // why the last action was refused, in words
  #tag = "";
  #rouse = null;
  #failures = 0;
  #told = "";

  constructor(base, code, pause, tell) {
    Object.assign(this, { base, code, pause, tell });
    this.url = `${base}/classes/${code}`;
    this.key = teacherKey(code);
    this.voter = voter();
    document.addEventListener("visibilitychange", () => document.hidden || this.#rouse?.());
    this.#keepAsking();
  }

  get teacherLink() {
    return `${location.origin}${location.pathname}#teacher=${this.key}`;
  }

  /** Ask, close, end, address: what the teacher decides. */
  teach(action, body = {}) {
    return this.#post(action, body, { "X-Bnviz-Key": this.key ?? "" });
  }

  /** Commit to an answer. */
  async vote(answer) {
    await this.#post("vote", { round: this.standing.round, answer }, { "X-Bnviz-Voter": this.voter });
    await this.#askMine();
    this.tell();
  }

  async #post(action, body, headers) {
    this.complaint = "";
    try {
      const answer = await fetch(`${this.url}/${action}`, {
        method: "POST", headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE),
      });
      if (!answer.ok) this.complaint = await sentence(answer);
    } catch {
      this.complaint = "The server did not answer; please try again.";
    }
    this.tell();
    this.#rouse?.();
  }

  async #keepAsking() {
    while (!this.gone) {
      await this.#question();
      const wait = this.away ? Math.min(5000, 500 * 2 ** this.#failures) : document.hidden ? 10000 : this.pause;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, wait * (0.85 + 0.3 * Math.random())); // a hundred phones, not all at once
        this.#rouse = () => { clearTimeout(timer); resolve(); };
      });
    }
  }

  async #question() {
    const headers = this.key ? { "X-Bnviz-Key": this.key } : this.#tag ? { "If-None-Match": this.#tag } : {};
    try {
      const answer = await fetch(this.url, { headers, signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
      if (answer.status === 404) this.gone = await sentence(answer);
      else if (answer.ok) await this.#take(answer);
      else if (answer.status !== 304) throw new Error(await sentence(answer));
      this.away = false;
      this.#failures = 0;
    } catch {
      this.away = true;
      this.#failures = Math.min(6, this.#failures + 1);
    }
    this.tell();
  }

  async #take(answer) {
    const told = await answer.json();
    this.standing = told.class;
    this.teacher = Boolean(told.teacher);
    this.runKey = told.run_key ?? null;
    const { run, round, verdict } = this.standing;
    const key = JSON.stringify([run, round, Boolean(verdict)]);
    if (!this.teacher && this.standing.question && key !== this.#told) {
      await this.#askMine();
      this.#told = key;
    }
    this.#tag = answer.headers.get("ETag") ?? "";
  }

  /** What this browser answered, and how it fared: asked for when that can have changed. */
  async #askMine() {
    const answer = await fetch(`${this.url}/mine`, { headers: { "X-Bnviz-Voter": this.voter }, signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
    if (answer.ok) this.votes = (await answer.json()).votes;
  }
}
