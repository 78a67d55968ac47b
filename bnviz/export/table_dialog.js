// A figure's numbers as tables, in a dialog that a button opens. It can be left by its button and by Escape.

import { chosenOf, csvOf, rounded, tablesOf } from "./figure_table.js";

const MOST_ROWS = 40, MOST_COLUMNS = 24; // of a table that are shown; all are in the CSV
const EVERY = 700; // ms between two tables of a figure that changes
const TABLE_ICON = "M3.5 4h17v16h-17zM5.5 6v3h5V6zM12.5 6v3h6V6zM5.5 11v3h5v-3zM12.5 11v3h6v-3zM5.5 16v2h5v-2zM12.5 16v2h6v-2z";
let dialogs = 0;

/** An element with attributes (functions become listeners) and children. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** The sign of a table. */
function tableIcon() {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", TABLE_ICON);
  path.setAttribute("fill", "currentColor");
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

/** A button, and the dialog that it opens. shown: gives the figure that is drawn, or null. */
export class TableDialog {
  #shown;
  #title = "";
  #shape = "";
  #bodies = [];
  #waiting = 0;
  #told = 0;

  constructor(shown) {
    this.#shown = shown;
    const id = `bnviz-tables-${dialogs++}`;
    this.button = element("button", { type: "button", class: "bnviz-as-table", "aria-haspopup": "dialog", click: () => this.open() }, tableIcon(), element("span", {}, "Table"));
    this.heading = element("h2", { id });
    this.content = element("div", { class: "bnviz-tables-content" });
    this.dialog = element("dialog", { class: "bnviz-tables", "aria-labelledby": id, close: () => this.#empty(),
      click: (event) => { if (event.target === this.dialog) this.dialog.close(); } },
    element("div", { class: "bnviz-tables-head" }, this.heading,
      element("button", { type: "button", click: () => this.#save() }, "Download CSV"),
      element("button", { type: "button", click: () => this.dialog.close() }, "Close")), this.content);
    this.nodes = [this.button, this.dialog];
  }

  /** The figure's name. */
  name(title) {
    this.#title = title;
    this.button.setAttribute("aria-label", `Table: ${title}`);
    this.heading.textContent = title;
  }

  open() {
    this.#fill();
    this.dialog.showModal();
    this.content.querySelector("tr[aria-current]:not(:last-child)")?.scrollIntoView({ block: "center" }); // the last needs no search
  }

  close() {
    clearTimeout(this.#waiting);
    if (this.dialog.open) this.dialog.close();
  }

  /** The figure has changed. */
  renew() {
    if (!this.dialog.open || this.#waiting) return;
    this.#waiting = setTimeout(() => {
      this.#waiting = 0;
      if (this.dialog.open) this.#fill();
    }, Math.max(0, this.#told + EVERY - performance.now()));
  }

  #made() {
    const figure = this.#shown();
    return figure ? tablesOf(figure) : { tables: [], notes: [] };
  }

  #empty() {
    this.#shape = "";
    this.content.replaceChildren();
  }

  /** Write the tables; where only numbers are new, only the rows, so that scrolling and focus stay. */
  #fill() {
    this.#told = performance.now();
    const { tables, notes } = this.#made();
    const chosen = tables.map((table) => chosenOf(table, MOST_ROWS, MOST_COLUMNS));
    const shape = JSON.stringify([notes, tables.map(({ caption, columns }) => [caption, columns])]);
    if (shape !== this.#shape) {
      this.#shape = shape;
      this.#bodies = tables.map((table, place) => this.#table(table, chosen[place]));
      this.content.replaceChildren(
        ...(tables.length ? [] : [element("p", {}, "Nothing is drawn yet: train the networks first.")]),
        ...notes.map((note) => element("p", {}, note)), ...this.#bodies.map(({ node }) => node));
    }
    this.#bodies.forEach(({ body, count }, place) => {
      body.replaceChildren(...this.#rows(tables[place], chosen[place]));
      count.textContent = this.#count(tables[place], chosen[place]);
      count.hidden = !count.textContent;
    });
  }

  #table({ caption, columns }, chosen) {
    const words = caption || this.#title;
    const heads = chosen.columns.map((index) => {
      const { name, unit } = columns[index];
      return element("th", { scope: "col" }, typeof name === "number" ? rounded(name) : name, ...(unit ? [element("small", {}, ` (${unit})`)] : []));
    });
    const body = element("tbody"), count = element("p", { class: "bnviz-tables-count" });
    const node = element("section", {}, element("div", { class: "bnviz-tables-scroll", tabindex: "0", role: "region", "aria-label": words },
      element("table", {}, element("caption", {}, words), element("thead", {}, element("tr", {}, ...heads)), body)), count);
    return { node, body, count };
  }

  #rows({ columns, rows, at }, chosen) {
    return chosen.rows.map((row) => element("tr", row === at ? { "aria-current": "step" } : {}, ...chosen.columns.map((index) => {
      const text = rows[row][index].map((value) => rounded(value, columns[index].percent)).join(", ") || "–";
      return index ? element("td", {}, text) : element("th", { scope: "row" }, text);
    })));
  }

  /** How many of how many are shown, "" where it is all. */
  #count({ rows, columns, at }, chosen) {
    const said = [];
    if (chosen.rows.length < rows.length) said.push(`${chosen.rows.length} of ${rows.length.toLocaleString("en-US")} rows`);
    if (chosen.columns.length < columns.length) said.push(`${chosen.columns.length - 1} of ${columns.length - 1} columns`);
    const chosenEvenly = said.length ? `${said.join(" and ")}, evenly chosen; the CSV has all. ` : "";
    return `${chosenEvenly}${at >= 0 ? "The marked row is at the step shown." : ""}`.trim();
  }

  #save() {
    const address = URL.createObjectURL(new Blob([csvOf(this.#made(), this.#title)], { type: "text/csv" }));
    element("a", { href: address, download: `bnviz-${this.#title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "figure"}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }
}
