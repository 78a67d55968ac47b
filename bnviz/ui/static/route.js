// Requests to the server's routes.

const PATIENCE = 8000; // ms after which a request has failed

/** Fetches, and never from the browser's cache: what is known already, the caller tells the server by its ETag. */
const request = (url, options) => fetch(url, { ...options, signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });

/** Whether an error means that the server did not answer. */
export const unanswered = (error) => ["TypeError", "TimeoutError", "AbortError"].includes(error.name);

/** Why the server refused, in words. */
export async function sentence(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

/** Sends an object as JSON. Returns the answer as JSON; throws an Error with a sentence if there is none. */
export async function post(url, body = {}, headers = {}) {
  let answer;
  try {
    answer = await request(url, {
      method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The server did not answer; please try again.");
  }
  if (!answer.ok) throw new Error(await sentence(answer));
  return answer.json();
}

/** Saves what a route answers as a file; throws an Error with a sentence if there is none. For routes that need a header. */
export async function save(url, name, headers = {}) {
  let answer;
  try {
    answer = await request(url, { headers });
  } catch {
    throw new Error("The server did not answer; please try again.");
  }
  if (!answer.ok) throw new Error(await sentence(answer));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), PATIENCE);
}

/** A route that is asked several times. It remembers the last answer's ETag, so that the server may answer 304. */
export class Route {
  #url = "";
  #tag = null;

  async get(url, headers = {}) {
    const known = this.#tag && url === this.#url ? { "If-None-Match": this.#tag } : {};
    const answer = await request(url, { headers: { ...headers, ...known } });
    if (answer.ok || answer.status === 304) {
      this.#url = url;
      this.#tag = answer.headers.get("ETag");
    }
    return answer;
  }

  /** Ask for a whole answer next time, as the last one could not be used. */
  forget() {
    this.#tag = null;
  }
}
