// The parts of the page "Inside": Algorithm 1 line by line, and figures that come with the page.
//
// Python computed everything that is shown; here the reader only moves between lines. Streamlit calls the functions
// at the end again at every rerun; a part lives as long as its element, so nothing jumps or flickers.

import { make, write } from "./elements.js";
import { ExportMenu } from "./export.js";
import { mount } from "./mount.js";
import { PlotlyNode } from "./plotly_node.js";
import { TableDialog } from "./table_dialog.js";

/** An element that holds a formula, which Python wrote as MathML. */
function formula(tag, attributes, mathml) {
  const node = make(tag, attributes);
  node.innerHTML = mathml;
  return node;
}

/** Algorithm 1: the table of the layer's inputs, the sheet of one unit, and its eight lines. */
class Walk {
  line = 0;
  opened = null;
  written = "";

  constructor(node) {
    this.node = node;
    this.keys = (event) => this.key(event);
    document.addEventListener("keydown", this.keys);
    this.sizes = new ResizeObserver(() => {
      this.arrange();
      this.center();
    });
  }

  close() {
    document.removeEventListener("keydown", this.keys);
    this.sizes.disconnect();
  }

  update(component) {
    this.component = component;
    const { data } = component;
    const written = JSON.stringify(data.walk);
    if (written !== this.written) {
      this.written = written;
      this.build(data.walk);
    }
    if (data.opened !== this.opened) {
      this.opened = data.opened;
      this.line = data.line;
    }
    this.show();
    this.sizes.observe(this.node);
  }

  /** On a phone and on a projector the unit's own numbers, of which the line speaks, come first: for the eye and the Tab key. */
  arrange() {
    const own = this.sheets.querySelector(".bnviz-statistics").closest(".bnviz-sheet");
    const large = document.documentElement.dataset.bnvizView === "projector";
    const first = large || matchMedia("(max-width: 640px)").matches;
    if (first === (this.sheets.firstElementChild === own)) return;
    const focused = document.activeElement;
    if (first) this.sheets.prepend(own);
    else this.sheets.append(own);
    if (this.sheets.contains(focused)) focused.focus({ preventScroll: true });
  }

  /** Bring the current line into the list's middle; on phones the list scrolls sideways. */
  center() {
    const current = this.tabs[this.line - 1].parentElement;
    const list = current.parentElement;
    list.scrollLeft = current.offsetLeft - (list.clientWidth - current.offsetWidth) / 2;
  }

  key(event) {
    const elsewhere = event.target !== document.body && !this.node.contains(event.target);
    if (elsewhere || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const goal = { ArrowLeft: this.line - 1, ArrowRight: this.line + 1, Home: 1, End: this.count }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    this.go(goal);
  }

  go(line) {
    const within = Math.min(Math.max(line, 1), this.count);
    if (within === this.line) return;
    this.line = within;
    this.show();
    this.component.setStateValue("line", within);
  }

  build(walk) {
    this.count = walk.lines.length;
    this.walk = walk;
    const focused = this.node.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    this.back = make("button", { type: "button", "data-name": "back", click: () => this.go(this.line - 1) }, "‹ Back");
    this.forth = make("button", { type: "button", "data-name": "forth", click: () => this.go(this.line + 1) }, "Forward ›");
    this.tabs = walk.lines.map(({ title }, index) => make("button",
      { type: "button", "data-name": `line ${index}`, click: () => this.go(index + 1) }, make("b", {}, `${index + 1}`), ` ${title}`));
    this.panels = walk.lines.map((line) => make("div", { class: "bnviz-line" },
      make("p", {}, line.words),
      make("div", { class: "bnviz-formulas" }, formula("div", { class: "bnviz-formula" }, line.formula),
        formula("div", { class: "bnviz-formula bnviz-filled", tabindex: "0", role: "group", "aria-label": "The numbers filled in" }, line.filled))));
    this.spoken = make("p", { class: "bnviz-spoken", "aria-live": "polite" });
    this.node.replaceChildren(
      make("div", { class: "bnviz-turn" }, make("ol", {}, ...this.tabs.map((tab) => make("li", {}, tab))), this.back, this.forth),
      make("div", { class: "bnviz-explained" }, make("div", { class: "bnviz-panels" }, ...this.panels),
        make("p", { class: "bnviz-key" }, make("span", { class: "bnviz-used" }, "used by this line"),
          make("span", { class: "bnviz-made" }, "computed by this line"))), this.spoken,
      this.sheets = make("div", { class: "bnviz-sheets" }, this.inputs(walk), this.sheet(walk)));
    this.arrange();
    if (focused) this.node.querySelector(`[data-name="${focused}"]`)?.focus({ preventScroll: true });
  }

  /** The heading of a row: the example's picture and class. */
  example({ name, picture }, index) {
    const image = picture ? [make("img", { src: picture, alt: "" })] : [];
    return make("th", { scope: "row" }, make("span", { class: "bnviz-index" }, `${index + 1}`), ...image, make("span", {}, name));
  }

  /** The layer's inputs, examples by units; a unit's heading chooses it. */
  inputs(walk) {
    const feature = walk.feature ?? "unit";
    const [first, end] = walk.set ?? [walk.unit, walk.unit];
    const followed = (index, unit) => unit >= first && unit <= end && (!walk.example || index === walk.example - 1)
      && (!walk.members || walk.members.includes(index));
    const heads = walk.units.map((unit) => make("th", { scope: "col", class: unit === walk.unit ? "bnviz-chosen" : null },
      make("button", { type: "button", "data-name": `unit ${unit}`, "aria-pressed": String(unit === walk.unit),
        "aria-label": `follow ${feature} ${unit}`, click: () => this.component.setTriggerValue("unit", unit) }, `${unit}`)));
    const rows = walk.rows.map((row, index) => make("tr", {}, this.example(row, index),
      ...walk.inputs[index].map((text, place) => make("td", followed(index, walk.units[place]) ? { class: "bnviz-chosen", "data-part": "x" } : {}, text))));
    const last = walk.units.at(-1);
    const caption = `What enters layer ${walk.layer}’s normalization${walk.where ?? ""}`
      + (walk.units.length < walk.all_units ? `: ${feature}s ${walk.units[0]} to ${last} of ${walk.all_units}` : "");
    return this.box(caption, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, feature), ...heads)), make("tbody", {}, ...rows));
  }

  /** One unit's numbers, which fill as the lines go on. */
  sheet(walk) {
    const heads = walk.columns.map(({ name, head }) => formula("th", { scope: "col", "data-part": name }, head));
    const head = walk.values ? "value" : walk.example ? "unit" : "example";
    const named = (row, index) => (walk.values || walk.example ? make("th", { scope: "row" }, row.name) : this.example(row, walk.members?.[index] ?? index));
    const rows = walk.names.map((row, index) => make("tr", {}, named(row, index),
      ...walk.cells[index].map((text, place) => make("td", { "data-part": walk.columns[place].name }, make("span", {}, text)))));
    const numbers = make("dl", { class: "bnviz-statistics" }, ...walk.statistics.map(({ name, head, text }) =>
      make("div", { "data-part": name }, formula("dt", {}, head), make("dd", {}, make("span", {}, text)))));
    const box = this.box(walk.sheet, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, head), ...heads)),
      make("tbody", {}, ...rows));
    box.querySelector(".bnviz-caption").after(numbers);
    return box;
  }

  box(caption, ...parts) {
    return make("div", { class: "bnviz-sheet" }, make("p", { class: "bnviz-caption", "aria-hidden": "true" }, caption),
      make("div", { class: "bnviz-scroll", tabindex: "0", role: "region", "aria-label": caption },
        make("table", { "aria-label": caption }, ...parts)));
  }

  show() {
    const { lines } = this.walk;
    const now = lines[this.line - 1];
    const known = new Set(["gamma", "beta", ...lines.slice(0, this.line).flatMap(({ made }) => made)]);
    this.panels.forEach((panel, index) => {
      panel.classList.toggle("bnviz-shown", index === this.line - 1);
      panel.toggleAttribute("inert", index !== this.line - 1);
    });
    this.tabs.forEach((tab, index) => {
      if (index === this.line - 1) tab.setAttribute("aria-current", "step");
      else tab.removeAttribute("aria-current");
    });
    this.center();
    this.back.disabled = this.line === 1;
    this.forth.disabled = this.line === this.count;
    for (const part of this.node.querySelectorAll("[data-part]")) {
      const name = part.dataset.part;
      part.classList.toggle("bnviz-used", now.used.includes(name));
      part.classList.toggle("bnviz-made", now.made.includes(name));
      part.classList.toggle("bnviz-coming", !known.has(name));
    }
    write(this.spoken, `Line ${this.line} of ${this.count}: ${now.title}`);
  }
}

/** A Plotly figure that came with the page, in light and dark, wide and narrow. */
class Still {
  shown = "";

  constructor(node) {
    this.plot = new PlotlyNode(node, () => this.draw());
    this.menu = new ExportMenu(this);
    this.table = new TableDialog(() => this.plot.figure);
    this.node = node;
    node.append(this.plot.node, make("div", { class: "bnviz-tools" }, this.table.button, this.menu.node), this.table.dialog);
  }

  close() {
    this.menu.close();
    this.table.close();
    this.plot.close();
  }

  update({ data }) {
    this.data = data;
    this.draw();
  }

  /** What the files are asked for by. */
  query() {
    return new URLSearchParams({ still: this.data.still });
  }

  async draw() {
    if (!this.plot.shown) return;
    const text = this.data.looks[this.plot.theme][this.plot.narrow ? "narrow" : "wide"];
    if (text === this.shown) return;
    this.shown = text;
    const figure = JSON.parse(text);
    const name = figure.layout.meta.title || figure.layout.meta.alt.split(":")[0].slice(0, 80);
    this.menu.name(name);
    this.table.name(name);
    await this.plot.draw(this.data.plotly, figure);
    this.table.renew();
  }
}

/** A table that Python wrote, in which all text was made safe. */
class Table {
  constructor(node) {
    this.node = node;
  }

  update({ data }) {
    if (data.markup === this.markup) return;
    this.markup = data.markup;
    this.node.innerHTML = data.markup;
  }

  close() {}
}

export const walk = (component) => mount(Walk, component);
export const still = (component) => mount(Still, component);
export const table = (component) => mount(Table, component);
