// The form by which a student joins a class: a code, Enter, and the class opens in the same tab.

import { make, write } from "./elements.js";
import { mount } from "./mount.js";

const PATIENCE = 8000; // ms after which the server does not answer

/** The form. Its data: where the routes are, the characters of a code, how many it has, and an example. */
class JoinForm {
  constructor(node) {
    this.node = node;
    this.input = make("input", { id: "bnviz-code", name: "code", type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false",
      maxlength: 40, "aria-describedby": "bnviz-code-said", input: () => this.say("") });
    this.said = make("p", { id: "bnviz-code-said", class: "bnviz-alarm", role: "alert" });
    this.form = make("form", { novalidate: true, submit: (event) => this.join(event) },
      make("label", { for: "bnviz-code" }, "The code on the wall"),
      make("div", {}, this.input, make("button", { type: "submit" }, "Join")), this.said);
    node.append(this.form);
  }

  update({ data }) {
    this.data = data;
    this.input.placeholder = data.example;
  }

  close() {}

  say(text) {
    write(this.said, text);
    this.input.setAttribute("aria-invalid", String(Boolean(text)));
  }

  async join(event) {
    event.preventDefault();
    const { base, alphabet, length, example } = this.data;
    const code = this.input.value.replace(/[\s-]+/g, "").toLowerCase();
    if (!code) return this.refuse(`Type the code that stands on the wall, such as ${example}.`);
    if (code.length !== length || [...code].some((letter) => !alphabet.includes(letter))) {
      return this.refuse(`This is no code. A code has ${length} letters and digits, such as ${example}; it has no 0, 1, i, l or o.`);
    }
    try {
      const answer = await fetch(`${base}/classes/${code}`, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
      if (answer.status === 404) return this.refuse("There is no class with this code. Compare it with the wall.");
      location.assign(`${base}/c/${code}`);
    } catch {
      this.refuse("The server did not answer. Please try again.");
    }
  }

  refuse(sentence) {
    this.say(sentence);
    this.input.focus();
  }
}

export const join = (component) => mount(JoinForm, component);
