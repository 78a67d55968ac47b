// The menu that every figure has: the files that it can become, made by the server or, where that cannot, here.

import { pngAddress, svgAddress, svgText } from "./drawing.js";
import { icon, make, write } from "./elements.js";
import { loadPlotly } from "./plotly_node.js";
import { sentence } from "./route.js";
import { stampedPng, stampedSvg } from "./stamping.js";

const PATIENCE = 90000; // ms after which a file counts as not to be had
let formats = null;
let number = 0;

/** Which kinds of file there are; asked for once. */
function kinds(base) {
  formats ??= fetch(`${base}/exports/formats`).then((answer) => {
    if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
    return answer.json();
  }).catch((error) => {
    formats = null;
    throw error;
  });
  return formats;
}

/** Let the browser keep a file. */
function keep(blob, name) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

const blobOf = async (address) => (await fetch(address)).blob();
const fileName = (answer) => /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))?.[1] ?? "bnviz";

/** Let the page measure texts in the typeface that the file will have. */
function lend(fonts) {
  if (!document.getElementById("bnviz-fonts")) document.head.append(make("style", { id: "bnviz-fonts" }, fonts));
}

/** A text into the clipboard, also where the page came without TLS, as in a classroom's network. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = make("textarea", { style: "position: fixed; opacity: 0", "aria-hidden": "true" }, text);
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

/** A button that opens the list of files. figure: has the `data` and the `query()` by which the files are asked for. */
export class ExportMenu {
  built = false;

  constructor(figure) {
    this.figure = figure;
    const name = `bnviz-export-${number++}`;
    this.panel = make("div", { id: name, class: "bnviz-files", role: "group", hidden: true });
    this.button = make("button", { type: "button", "aria-expanded": "false", "aria-controls": name,
      click: () => (this.panel.hidden ? this.open() : this.shut()) }, icon("save"), make("span", {}, "Export"));
    this.node = make("div", { class: "bnviz-export", keydown: (event) => {
      if (event.key !== "Escape" || this.panel.hidden) return;
      event.stopPropagation();
      this.shut();
      this.button.focus();
    } }, this.button, this.panel);
    this.elsewhere = (event) => { if (!this.node.contains(event.target)) this.shut(); };
  }

  /** The name of the figure, for those who hear the button. */
  name(title) {
    this.button.setAttribute("aria-label", `Export: ${title}`);
    this.panel.setAttribute("aria-label", `Export ${title}`);
  }

  close() {
    this.shut();
  }

  shut() {
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    for (const kind of ["pointerdown", "focusin"]) document.removeEventListener(kind, this.elsewhere);
  }

  async open() {
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    for (const kind of ["pointerdown", "focusin"]) document.addEventListener(kind, this.elsewhere);
    if (!this.built) {
      this.said = make("p", { class: "bnviz-said", role: "status" });
      this.panel.replaceChildren(this.said);
      write(this.said, "Loading…");
      try {
        this.build((await kinds(this.figure.data.base)).kinds);
      } catch {
        return write(this.said, "The server did not answer; please try again.");
      }
    }
    write(this.said, "");
    this.recordings();
    this.panel.querySelector("button")?.focus({ preventScroll: true });
    this.node.scrollIntoView({ block: "nearest" });
    this.panel.scrollIntoView({ block: "nearest" });
  }

  build(all) {
    const button = (kind) => make("button", { type: "button", "aria-label": `${kind.label}, ${kind.group}`,
      "aria-disabled": kind.by ? null : "true", click: () => this.fetch(kind) }, kind.label);
    const rows = [...new Set(all.map(({ group }) => group))].map((name) =>
      this.row(name, all.filter(({ group }) => group === name).map(button)));
    this.kept = this.row("The recording, for bnviz", []);
    this.footer = make("input", { type: "checkbox", checked: true });
    this.panel.replaceChildren(...rows, this.kept,
      make("label", {}, this.footer, "With a line on where it is from"),
      make("button", { type: "button", class: "bnviz-link", click: () => this.link() }, "Copy the page’s link"), this.said);
    this.built = true;
  }

  row(title, buttons) {
    return make("div", { class: "bnviz-files-row", role: "group", "aria-label": title }, make("span", {}, title), make("div", {}, ...buttons));
  }

  /** One button for each network that was recorded. */
  recordings() {
    const arms = this.figure.hub?.status?.words.arms ?? [];
    this.kept.hidden = !arms.length;
    this.kept.lastChild.replaceChildren(...arms.map(({ name }, index) => make("button", {
      type: "button", "aria-label": `The recording of ${name}`,
      click: () => this.get(`runs/${encodeURIComponent(this.figure.data.run)}/recording/${index}`, "recording"),
    }, name.split(" ")[0])));
  }

  address(kind) {
    const query = this.figure.query();
    for (const looks of ["theme", "narrow"]) query.delete(looks);
    query.set("footer", Number(this.footer.checked));
    const path = this.figure.data.path.replace(/^figures\//, "");
    return `exports/${path}.${kind.kind}?${query}`;
  }

  async fetch(kind) {
    if (!kind.by) return write(this.said, kind.sentence);
    const address = this.address(kind);
    const refused = kind.by === "server" ? await this.get(address, kind.label) : 501;
    if (refused === 501 && ["PNG", "SVG"].includes(kind.label)) await this.drawHere(kind, address);
  }

  /** Fetch a file and keep it. Returns the status of a refusal. */
  async get(path, what) {
    if (this.busy) return 0;
    this.busy = true;
    write(this.said, `Making the ${what}…`);
    try {
      const answer = await fetch(`${this.figure.data.base}/${path}`, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
      if (!answer.ok) {
        write(this.said, await sentence(answer));
        return answer.status;
      }
      keep(await answer.blob(), fileName(answer));
      write(this.said, `Saved as ${fileName(answer)}.`);
    } catch {
      write(this.said, "The server did not answer; please try again.");
    } finally {
      this.busy = false;
    }
    return 0;
  }

  /** Draw the file in this browser, for servers that have none. */
  async drawHere(kind, path) {
    if (this.busy) return;
    this.busy = true;
    write(this.said, `Drawing the ${kind.label}…`);
    try {
      const [answer, Plotly] = await Promise.all([
        fetch(`${this.figure.data.base}/${path}&by=browser`, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" }),
        loadPlotly(this.figure.data.plotly),
      ]);
      if (!answer.ok) return write(this.said, await sentence(answer));
      const { figure, options, fonts, comment, texts } = await answer.json();
      lend(fonts);
      const text = await svgText((...all) => Plotly.toImage(...all), JSON.parse(figure), options, fonts);
      const address = kind.label === "PNG" ? await pngAddress(text) : svgAddress(stampedSvg(text, comment));
      const blob = await blobOf(address);
      keep(kind.label === "PNG" ? await stampedPng(blob, texts) : blob, fileName(answer));
      write(this.said, `Saved as ${fileName(answer)}.`);
    } catch (error) {
      console.error(error);
      write(this.said, "This could not be drawn; please try again.");
    } finally {
      this.busy = false;
    }
  }

  async link() {
    write(this.said, await copy(location.href) ? "The link is copied." : location.href);
  }
}
