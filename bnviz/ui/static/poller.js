// A route that is asked again and again.

import { Route, sentence } from "./route.js";

const FIRST_RETRY = 400, LAST_RETRY = 5000; // ms until a server that did not answer is asked again

/**
 * Asks a route until it is stopped, or until the server says that there is no such thing.
 *
 * request: () => { url, headers }.
 * take: (answer, request) => anything; called with each new answer, and not where nothing has changed (304).
 * tell: () => void; called after each request, as `away` and `gone` may have changed as well.
 * pause: () => ms between two requests. hidden: the same while nobody can see the page.
 * spread: the share by which a pause varies at random, so that a hundred pages do not all ask at once.
 */
export class Poller {
  away = false; // the server does not answer
  gone = ""; // why there is nothing to ask for, in words
  #route = new Route();
  #options;
  #running = false;
  #stopped = false;
  #hurry = false;
  #wake = null;
  #failures = 0;
  #drawing = 0;

  constructor(options) {
    this.#options = { spread: 0, ...options };
  }

  start() {
    this.#stopped = false;
    if (!this.#running) this.#run();
  }

  stop() {
    this.#stopped = true;
    this.#wake?.();
  }

  /** Ask now rather than when the pause is over. */
  ask() {
    this.#hurry = true;
    this.#wake?.();
  }

  /** Report for how long the page was busy drawing; the next pause leaves the browser half as long for other work. */
  drew(milliseconds) {
    this.#drawing += milliseconds;
  }

  async #run() {
    this.#running = true;
    const seen = () => document.hidden || this.ask();
    document.addEventListener("visibilitychange", seen);
    while (!this.#stopped && !this.gone) {
      const begun = performance.now();
      this.#hurry = false;
      await this.#request();
      if (this.#stopped) break;
      this.#options.tell();
      if (this.#hurry) continue;
      const wait = Math.max(this.#pause() - (performance.now() - begun), this.#drawing / 2);
      this.#drawing = 0;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, wait);
        this.#wake = () => { clearTimeout(timer); resolve(); };
      });
      this.#wake = null;
    }
    document.removeEventListener("visibilitychange", seen);
    this.#running = false;
  }

  #pause() {
    const { pause, hidden, spread } = this.#options;
    const retry = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** this.#failures);
    const usual = this.away ? retry : pause();
    const wait = document.hidden ? Math.max(hidden, usual) : usual;
    return wait * (1 + spread * (2 * Math.random() - 1));
  }

  async #request() {
    const request = this.#options.request();
    try {
      const answer = await this.#route.get(request.url, request.headers);
      if (this.#stopped) return;
      if (answer.status === 404) this.gone = await sentence(answer);
      else if (answer.ok) await this.#options.take(answer, request);
      else if (answer.status !== 304) throw new Error(await sentence(answer));
      this.away = false;
      this.#failures = 0;
    } catch {
      this.#route.forget();
      this.away = true;
      this.#failures += 1;
    }
  }
}
