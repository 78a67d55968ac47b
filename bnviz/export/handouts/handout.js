"use strict";
// What moves on this page. Figures come as they are to be drawn, in every look; what changes from step to step
// comes as patches. Nothing is fetched: library and data are in the page, packed;
// the pages of a web site share the library in a file beside them.

/** The text of a packed element. */
async function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

const narrow = 520; // pixels, as on bnviz's own pages
const dark = matchMedia("(prefers-color-scheme: dark)");
const touch = matchMedia("(hover: none)").matches;
const grouped = (number) => number.toLocaleString("en-US");

/** A value of a figure with the arrays that it names in their places. */
function filled(value, arrays) {
  if (Array.isArray(value)) return value.map((item) => filled(item, arrays));
  if (value === null || typeof value !== "object") return value;
  if (Object.keys(value).length === 1 && Number.isInteger(value.array)) return { ...arrays[value.array] };
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, arrays)]));
}

/** One figure: drawn when it is first seen, and again when its look or what it shows has changed. */
class Slide {
  constructor(node, spec, handout) {
    Object.assign(this, { node, spec, handout, stale: true, seen: false });
    this.choice = Object.keys(spec.choices).at(-1);
    this.select = document.querySelector(`[data-choice="${node.dataset.slide}"]`);
    this.table = new TableDialog(() => this.figure ?? null);
    this.table.name(node.parentElement.querySelector("figcaption").textContent.split(/[.:] /)[0]);
    node.after(...this.table.nodes);
    this.select?.addEventListener("change", () => { this.choice = this.select.value; this.renew(); });
    new IntersectionObserver(([entry]) => { this.seen = entry.isIntersecting; this.refresh(); }, { rootMargin: "300px" }).observe(node);
    new ResizeObserver(() => this.resized()).observe(node);
  }

  get look() {
    const { printing } = this.handout;
    return `${dark.matches && !printing ? "dark" : "light"} ${this.node.clientWidth < narrow && !printing ? "narrow" : "wide"}`;
  }

  renew() {
    this.stale = true;
    this.refresh();
  }

  refresh() {
    if (!this.seen && !this.handout.printing) return;
    const { frame } = this.handout;
    if (this.stale || (this.moves && frame !== this.drawn)) this.draw();
    else if (frame !== this.drawn) this.mark();
  }

  /** The figure at this frame, whole. */
  draw() {
    const { arrays, frame } = this.handout;
    const { looks, moves, predicted } = this.spec.choices[this.choice];
    const look = this.look;
    const { data, layout } = filled(looks[look], arrays);
    this.moves = moves?.[look];
    for (const [path, value] of this.moves?.[frame] ?? predicted?.[look][this.handout.predicted] ?? []) {
      const last = path.at(-1);
      const parent = path.slice(0, -1).reduce((part, key) => part[key], { data, layout });
      parent[last] = filled(value, arrays);
    }
    this.first = layout.shapes.length;
    this.markers = layout.meta.over === "steps" && this.handout.bar ? this.marks(layout, look) : [];
    layout.shapes = [...layout.shapes, ...this.markers];
    this.figure = { data, layout };
    if (layout.meta.title) this.table.name(layout.meta.title);
    const config = { displaylogo: false, displayModeBar: touch ? false : "hover", modeBarButtons: [["toImage", "resetScale2d"]], doubleClick: "reset", showTips: false };
    this.node.style.minHeight = `${layout.height}px`;
    Plotly.react(this.node, data, { ...layout, autosize: true, ...(touch && { dragmode: false }) }, config);
    this.node.setAttribute("aria-label", layout.meta.alt);
    this.node.setAttribute("role", "figure"); // a drawn figure has buttons, a picture has none
    Object.assign(this, { stale: false, drawn: frame, shown: look, width: this.node.clientWidth });
    this.table.renew();
  }

  /** The line at this step, one in each panel. */
  marks(layout, look) {
    const step = this.handout.step;
    const line = { color: this.handout.marker[look.split(" ")[0]], width: 1.5, dash: "dot" };
    return Object.keys(layout).filter((key) => key.startsWith("xaxis")).map((key) => ({
      type: "line", name: "scrubber", xref: key.replace("axis", ""), yref: `${layout[key].anchor} domain`, x0: step, x1: step, y0: 0, y1: 1, line,
    }));
  }

  /** Move the lines alone. */
  mark() {
    const { step, frame } = this.handout;
    const moved = this.markers.flatMap((_, index) => ["x0", "x1"].map((end) => [`shapes[${this.first + index}].${end}`, step]));
    if (moved.length) Plotly.relayout(this.node, Object.fromEntries(moved));
    for (const marker of this.markers) Object.assign(marker, { x0: step, x1: step });
    this.drawn = frame;
    this.table.renew();
  }

  resized() {
    if (this.stale || this.handout.printing || this.node.clientWidth === 0 || this.node.clientWidth === this.width) return;
    this.width = this.node.clientWidth;
    if (this.look === this.shown) Plotly.Plots.resize(this.node);
    else this.renew();
  }
}

class Handout {
  printing = false;
  predicted = null; // the notch of the first slider at which the reader locked in the answer
  timer = 0;

  constructor(data) {
    Object.assign(this, { arrays: data.arrays, marker: data.marker, data, frame: data.steps.length - 1 });
    const find = (name) => document.querySelector(name);
    [this.bar, this.scrubber, this.play, this.output, this.story] = [".bar", ".scrubber", ".play", ".step", ".story"].map(find);
    this.cards = [...document.querySelectorAll(".row")].map((card) => [".loss", ".accuracy", ".gone"].map((name) => card.querySelector(name)));
    this.slides = [...document.querySelectorAll("[data-slide]")].map((node) => new Slide(node, data.slides[node.dataset.slide], this));
    dark.addEventListener("change", () => this.slides.forEach((slide) => slide.renew()));
    addEventListener("beforeprint", () => this.print(true));
    addEventListener("afterprint", () => this.print(false));
    if (!this.bar) return; // a report has figures and no time
    this.scrubber.addEventListener("input", () => { this.stop(); this.show(this.scrubber.valueAsNumber); this.carry(); });
    this.play.addEventListener("click", () => (this.timer ? this.stop() : this.start()));
    this.places = [...document.querySelectorAll(".choices a[href]")];
    addEventListener("hashchange", () => this.follow());
    this.show(this.frame);
    this.follow();
  }

  get step() {
    return this.data.steps[this.frame];
  }

  /** A link to this page may name a step: handout.html#step=400. */
  follow() {
    const wanted = /^#step=(\d{1,7})$/.exec(location.hash);
    if (!wanted) return;
    const after = this.data.steps.findIndex((step) => step > Number(wanted[1]));
    this.show(after < 0 ? this.data.steps.length - 1 : Math.max(0, after - 1));
    this.lead();
  }

  show(frame) {
    this.frame = frame;
    this.scrubber.value = frame;
    this.output.textContent = `step ${grouped(this.step)} of ${grouped(this.data.last)}`;
    this.scrubber.setAttribute("aria-valuetext", this.output.textContent);
    this.data.numbers[frame].forEach((texts, arm) => texts.forEach((text, index) => { this.cards[arm][index].textContent = text; }));
    if (this.story && this.data.stories.length) this.story.textContent = this.data.stories[frame];
    cancelAnimationFrame(this.waiting);
    this.waiting = requestAnimationFrame(() => this.slides.forEach((slide) => slide.refresh()));
  }

  /** On a web site, once the reader has moved: the step goes into the address and into the links to other places. */
  carry() {
    if (!this.places.length) return;
    clearTimeout(this.carrying);
    this.carrying = setTimeout(() => { // browsers refuse an address that changes with every pixel
      history.replaceState(null, "", `#step=${this.step}`);
      this.lead();
    }, 200);
  }

  /** The links lead to the step of the address, also where this place has recorded an earlier one. */
  lead() {
    for (const place of this.places) place.hash = location.hash;
  }

  /** Draw the reader's prediction into the figures where it has a place on an axis. */
  predict(notch) {
    this.predicted = notch;
    for (const slide of this.slides) slide.renew();
  }

  /** Play, to the step at which a lesson pauses or, from there on, to the end. */
  start() {
    if (this.frame === this.data.steps.length - 1) this.show(0);
    const pause = this.data.steps.findLastIndex((step) => step <= (this.data.pause ?? -1));
    const end = this.frame < pause ? pause : this.data.steps.length - 1;
    this.play.textContent = "Pause";
    this.timer = setInterval(() => {
      this.show(this.frame + 1);
      this.carry();
      if (this.frame === end) this.stop();
    }, 140);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = 0;
    this.play.textContent = "Play";
  }

  /** Paper is white and has one width. */
  print(begins) {
    this.printing = begins;
    const open = document.querySelectorAll("details");
    if (begins) this.opened = [...open].filter((item) => !item.open);
    for (const item of this.opened ?? []) item.open = begins;
    for (const slide of this.slides) {
      slide.node.style.width = begins ? "680px" : "";
      slide.stale = true;
      slide.refresh();
    }
  }
}

/** The reader's prediction: what follows is hidden until it is made. predicted: takes the notch of the first slider. */
class Question {
  constructor(form, prediction, predicted) {
    Object.assign(this, { form, prediction, predicted });
    this.score = form.querySelector(".score");
    this.results = document.querySelectorAll("[data-after-question]");
    this.hide(true);
    form.addEventListener("submit", (event) => { event.preventDefault(); this.answer(); });
    form.querySelector(".skip").addEventListener("click", () => this.reveal(""));
    form.querySelectorAll("input[type=range]").forEach((input) => {
      const { notches } = prediction.sliders[input.dataset.slider];
      const tell = () => { input.nextElementSibling.textContent = notches[input.value].shown; input.setAttribute("aria-valuetext", notches[input.value].shown); };
      input.addEventListener("input", tell);
      tell();
    });
    addEventListener("beforeprint", () => this.hide(false));
  }

  hide(hidden) {
    for (const part of this.results) part.hidden = hidden;
  }

  answer() {
    const { options, sliders } = this.prediction;
    if (options) return this.reveal(options[new FormData(this.form).get("prediction")]);
    const places = sliders.map((_, index) => this.form.querySelector(`[data-slider="${index}"]`).valueAsNumber);
    const said = sliders.map(({ notches }, index) => notches[places[index]]);
    this.predicted(places[0]);
    const unsettled = said.find((notch) => notch.right === null);
    if (unsettled) return this.reveal(unsettled.sentence);
    return this.reveal(said.map((notch) => notch.sentence).join(" "));
  }

  reveal(sentence) {
    this.score.textContent = sentence;
    this.hide(false);
    this.form.querySelector(".buttons").hidden = true;
    for (const input of this.form.querySelectorAll("input")) input.disabled = true;
    dispatchEvent(new Event("resize"));
  }
}

(async () => {
  const trouble = document.createElement("p");
  trouble.className = "trouble";
  try {
    if (document.getElementById("library")) {
      const script = document.createElement("script");
      script.textContent = await unpacked("library");
      document.head.append(script);
    }
    const data = await unpacked("data");
    const content = JSON.parse(data);
    const form = document.querySelector("form.question");
    if (form) new Question(form, content.prediction, (notch) => window.handout.predict(notch));
    window.handout = new Handout(content);
  } catch (error) {
    trouble.textContent = `The figures could not be drawn: this page needs a browser from 2023 or later. (${error.message})`;
    document.querySelector("main").prepend(trouble);
  }
})();
