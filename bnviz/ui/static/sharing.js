// "Which values share a mean?" on the page Inside: one mini-batch drawn once for each normalizer.
//
// Python computed the values, the sets and their statistics. Here the reader points at a value, and every value that
// shares its statistics stays lit. Rows are examples. Columns are units, or channels with their positions.

import { make, write } from "./elements.js";
import { mount } from "./mount.js";

const LOW = [213, 94, 0], HIGH = [0, 114, 178]; // vermillion and blue, as in the feature maps
const FADED = 0.16, REST = 0.8;
const GUTTER = 46; // pixels for an example's number and picture
const LARGEST = { units: 20, maps: 9 }, SMALLEST = { units: 3, maps: 2 };
const ROW = 19; // pixels of a row of units
const GAP = 5; // pixels between feature maps
const SHARE_OF_SCREEN = 0.43; // of its height, that all maps together may have

const signed = (text) => text.replace("-", "−");
const small = (value) => value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e4);
/** A number as readers see it: one decimal more than the result that it leads to. */
const shown = (value, places = 4) => signed(small(value) ? value.toExponential(places - 1) : value.toFixed(places));
const enclosed = (value) => (value < 0 ? `(${shown(value)})` : shown(value));

/** Where the values of a mini-batch stand on a canvas of some width. */
class Places {
  constructor(shape, width, height) {
    [this.examples, this.features, this.height = 1, this.width = 1] = shape;
    this.maps = shape.length > 2;
    const kind = this.maps ? "maps" : "units";
    const gap = this.maps ? GAP : 0;
    const room = (width - GUTTER - gap * (this.features - 1)) / (this.features * this.width);
    const most = this.maps ? Math.min(LARGEST.maps, Math.floor(height / (this.examples * this.height))) : LARGEST.units;
    this.cell = Math.max(SMALLEST[kind], Math.min(most, Math.floor(room)));
    this.tall = this.maps ? this.cell : ROW;
    this.gap = gap;
    this.across = this.features * this.width * this.cell + gap * (this.features - 1) + GUTTER;
    this.down = this.examples * this.height * this.tall + this.gap * (this.examples - 1) + 1;
  }

  index(example, feature, row = 0, column = 0) {
    return ((example * this.features + feature) * this.height + row) * this.width + column;
  }

  parts(index) {
    const column = index % this.width;
    const row = Math.floor(index / this.width) % this.height;
    const map = Math.floor(index / (this.width * this.height));
    return [Math.floor(map / this.features), map % this.features, row, column];
  }

  /** Left, top, width and height of a value. */
  box(index) {
    const [example, feature, row, column] = this.parts(index);
    const left = GUTTER + feature * (this.width * this.cell + this.gap) + column * this.cell;
    const top = example * (this.height * this.tall + this.gap) + row * this.tall;
    return [left, top, this.cell, this.tall];
  }

  /** The value at a point, null between values. */
  at(x, y) {
    const wide = this.width * this.cell + this.gap, high = this.height * this.tall + this.gap;
    const feature = Math.floor((x - GUTTER) / wide), example = Math.floor(y / high);
    const column = Math.floor((x - GUTTER - feature * wide) / this.cell), row = Math.floor((y - example * high) / this.tall);
    const within = x >= GUTTER && y >= 0 && example < this.examples && feature < this.features && column < this.width && row < this.height;
    return within ? this.index(example, feature, row, column) : null;
  }

  /** The value so many steps to the right and down. */
  moved(index, right, down) {
    const [example, feature, row, column] = this.parts(index);
    const clamp = (value, count) => Math.min(Math.max(value, 0), count - 1);
    const x = clamp(feature * this.width + column + right, this.features * this.width);
    const y = clamp(example * this.height + row + down, this.examples * this.height);
    return this.index(Math.floor(y / this.height), Math.floor(x / this.width), y % this.height, x % this.width);
  }
}

/** The mini-batch as one normalizer divides it. */
class Block {
  constructor(owner, content, block) {
    Object.assign(this, { owner, content, block });
    this.title = make("p", { class: "bnviz-caption" });
    this.canvas = make("canvas", { role: "img", "aria-label": block.alt });
    this.frame = make("div", { class: "bnviz-grid", tabindex: "0", role: "group",
      "aria-label": `${block.label}: arrow keys choose a value, Shift jumps to the next ${content.shape.length > 2 ? "map" : "tenth value"}` }, this.canvas);
    this.lines = make("p", { class: "bnviz-arithmetic" });
    this.node = make("section", { class: "bnviz-block", "aria-label": block.label }, this.title, this.lines, this.frame);
    this.canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && owner.look(this.under(event)));
    this.canvas.addEventListener("pointerleave", () => owner.look(null));
    this.canvas.addEventListener("click", (event) => owner.choose(this.under(event)));
    this.frame.addEventListener("keydown", (event) => owner.key(event, this.places));
  }

  under(event) {
    const box = this.canvas.getBoundingClientRect();
    return this.places.at(event.clientX - box.left, event.clientY - box.top);
  }

  fit(width) {
    this.places = new Places(this.content.shape, width, SHARE_OF_SCREEN * window.innerHeight);
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.ceil(this.places.across * ratio);
    this.canvas.height = Math.ceil(this.places.down * ratio);
    this.canvas.style.width = `${this.places.across}px`;
    this.canvas.style.height = `${this.places.down}px`;
    this.pen = this.canvas.getContext("2d");
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  draw(chosen) {
    const { pen, places, content, block } = this;
    const style = getComputedStyle(this.owner.node);
    const set = block.ids[chosen];
    pen.clearRect(0, 0, places.across, places.down);
    content.x.forEach((value, index) => {
      const shared = block.ids[index] === set;
      const share = Math.min(1, Math.abs(value) / this.owner.reach);
      const [red, green, blue] = value < 0 ? LOW : HIGH;
      const box = places.box(index);
      pen.globalAlpha = shared ? 1 : FADED;
      pen.fillStyle = `rgb(${red} ${green} ${blue} / ${0.12 + REST * share})`;
      pen.fillRect(box[0], box[1], box[2] - (places.cell > 4), box[3] - (places.tall > 4));
    });
    pen.globalAlpha = 1;
    this.outline(set, style.color);
    const [left, top, wide, high] = places.box(chosen);
    pen.strokeStyle = style.color;
    pen.lineWidth = 2.5;
    pen.strokeRect(left - 1, top - 1, wide + 1, high + 1);
    this.label(style);
    this.tell(chosen, set);
  }

  /** A line around what shares: it is told without colour too. */
  outline(set, colour) {
    const { pen, places, block } = this;
    pen.strokeStyle = colour;
    pen.lineWidth = 1;
    pen.beginPath();
    block.ids.forEach((own, index) => {
      if (own !== set) return;
      const [left, top, wide, high] = places.box(index).map(Math.round);
      const [example, feature, row, column] = places.parts(index);
      const alone = (e, f, r, c) => {
        const outside = e < 0 || f < 0 || e >= places.examples || f >= places.features;
        return outside || block.ids[places.index(e, f, r, c)] !== set;
      };
      const lastColumn = places.width - 1, lastRow = places.height - 1;
      const step = (right, down) => {
        let [e, f, r, c] = [example, feature, row + down, column + right];
        if (c < 0) [f, c] = [f - 1, lastColumn];
        if (c > lastColumn) [f, c] = [f + 1, 0];
        if (r < 0) [e, r] = [e - 1, lastRow];
        if (r > lastRow) [e, r] = [e + 1, 0];
        return alone(e, f, r, c);
      };
      if (step(-1, 0)) pen.rect(left - 0.5, top, 0, high);
      if (step(1, 0)) pen.rect(left + wide - 0.5, top, 0, high);
      if (step(0, -1)) pen.rect(left, top + 0.5, wide, 0);
      if (step(0, 1)) pen.rect(left, top + high - 0.5, wide, 0);
    });
    pen.stroke();
  }

  /** Each row's number and picture. */
  label(style) {
    const { pen, places, content } = this;
    pen.fillStyle = style.color;
    pen.font = `12px ${style.fontFamily}`;
    pen.textBaseline = "middle";
    content.rows.forEach(({ picture }, example) => {
      const [, top] = places.box(places.index(example, 0));
      const middle = top + (places.height * places.tall) / 2;
      pen.fillText(`${example + 1}`, 0, middle);
      const image = picture && this.owner.image(picture);
      if (image?.complete) {
        pen.imageSmoothingEnabled = false;
        pen.drawImage(image, 20, middle - 9, 18, 18);
      }
    });
  }

  /** The set in words, and the arithmetic of the chosen value. */
  tell(chosen, set) {
    const { block, content, places } = this;
    const x = content.x[chosen];
    const mean = block.mean?.[set], scale = block.scale?.[set];
    const [example, feature, row, column] = places.parts(chosen);
    const where = `${content.feature} ${feature + 1} of example ${example + 1}` + (places.maps ? `, row ${row + 1}, column ${column + 1}` : "");
    this.title.replaceChildren(make("b", {}, block.label), ` ${block.counts[set].toLocaleString("en-US")} values share: ${block.words[set]}`);
    const parts = [`x = ${shown(x)}`];
    if (mean !== undefined) parts.push(`μ = ${shown(mean)}`);
    if (scale !== undefined) parts.push(`${block.symbol} = ${shown(scale)}`);
    const top = mean === undefined ? shown(x) : `${shown(x)} − ${enclosed(mean)}`;
    const result = (x - (mean ?? 0)) / (scale ?? 1);
    const filled = scale === undefined ? top : `${mean === undefined ? top : `(${top})`} / ${shown(scale)}`;
    this.lines.replaceChildren(make("span", {}, parts.join(", ")), " ", make("span", {}, `x̂ = ${filled} ≈ `, make("b", {}, shown(result, 3))));
    this.spoken = `${where}: ${block.label}, ${block.counts[set]} values share, ${parts.join(", ")}, x̂ about ${shown(result, 3)}`;
  }
}

class Sharing {
  written = "";
  chosen = 0;
  looked = null;
  images = new Map();

  constructor(node) {
    this.node = node;
    this.spoken = make("p", { class: "bnviz-spoken", "aria-live": "polite" });
    this.sizes = new ResizeObserver(() => this.fit());
    this.theme = new MutationObserver(() => this.draw());
    this.theme.observe(document.documentElement, { attributes: true, subtree: false });
  }

  close() {
    this.sizes.disconnect();
    this.theme.disconnect();
  }

  update(component) {
    this.component = component;
    const { sharing, chosen } = component.data;
    const written = JSON.stringify([sharing, chosen]);
    if (written === this.written) return this.draw();
    this.written = written;
    this.chosen = chosen;
    this.looked = null;
    const sizes = sharing.x.map(Math.abs).sort((a, b) => a - b);
    this.reach = sizes[Math.floor(0.98 * (sizes.length - 1))] || 1;
    const focused = this.blocks?.findIndex(({ frame }) => frame === document.activeElement) ?? -1;
    this.blocks = sharing.blocks.map((block) => new Block(this, sharing, block));
    this.node.classList.toggle("bnviz-beside", sharing.shape.length > 2);
    this.node.replaceChildren(...this.blocks.map(({ node }) => node), this.spoken);
    this.sizes.disconnect();
    this.sizes.observe(this.node);
    this.fit();
    if (focused >= 0) this.blocks[focused]?.frame.focus({ preventScroll: true });
  }

  fit() {
    if (!this.blocks) return;
    for (const block of this.blocks) block.fit(block.frame.clientWidth || this.node.clientWidth);
    this.draw();
  }

  draw() {
    for (const block of this.blocks ?? []) if (block.places) block.draw(this.looked ?? this.chosen);
  }

  /** Show what shares with a value for as long as the pointer rests on it. */
  look(index) {
    if (index === this.looked) return;
    this.looked = index;
    this.draw();
  }

  choose(index) {
    if (index === null) return;
    this.chosen = index;
    this.looked = null;
    this.draw();
    write(this.spoken, this.blocks.map(({ spoken }) => spoken).join(". "));
    clearTimeout(this.telling); // Python learns of it when the reader rests
    this.telling = setTimeout(() => this.component.setTriggerValue("chosen", index), 300);
  }

  key(event, places) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    const far = event.shiftKey ? [places.maps ? places.width : 10, places.maps ? places.height : 1] : [1, 1];
    this.choose(places.moved(this.chosen, move[0] * far[0], move[1] * far[1]));
  }

  image(source) {
    if (!this.images.has(source)) {
      const image = new Image();
      image.onload = () => this.draw();
      image.src = source;
      this.images.set(source, image);
    }
    return this.images.get(source);
  }
}

export const sharing = (component) => mount(Sharing, component);
