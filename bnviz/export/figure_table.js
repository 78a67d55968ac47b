// The numbers of a figure as tables: the ones that Plotly draws, no others.
//
// A figure is { data, layout } as the server sends it. What a trace is called there, bnviz/figures/frame/tabled.py
// says in its meta. Pages import this file; a handout holds it in its script.

const tableArrays = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array };

/** Plotly's values, a list or bytes in base64, as a list; in rows where they have two dimensions. */
function listed(values) {
  if (!values?.bdata) return Array.from(values ?? []);
  const bytes = Uint8Array.from(atob(values.bdata), (sign) => sign.charCodeAt(0));
  const flat = Array.from(new tableArrays[values.dtype](bytes.buffer));
  const [rows, columns] = String(values.shape ?? "").split(",").map(Number);
  return columns ? Array.from({ length: rows }, (_, row) => flat.slice(row * columns, (row + 1) * columns)) : flat;
}

/** Plotly's text without its markup. */
function unmarked(text) {
  const signs = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", "#34": '"', nbsp: " " };
  return String(text ?? "").replace(/ {3,}/g, ": ").replace(/<br\s*\/?>/g, " ").replace(/<[^>]*>/g, "")
    .replace(/&(amp|lt|gt|quot|nbsp|#39|#34);/g, (_, name) => signs[name]).replace(/\s+/g, " ").trim();
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const axisOf = (layout, name) => layout[`${name[0]}axis${name.slice(1)}`] ?? {};
const evenly = (count, most) => (count <= most ? Array.from({ length: count }, (_, index) => index)
  : [...new Set(Array.from({ length: most }, (_, index) => Math.round((index * (count - 1)) / (most - 1))))]);

/** The step that the reader looks at, null where the figure follows the training. */
function stepLookedAt(layout) {
  const line = layout.meta?.over === "steps" ? (layout.shapes ?? []).find((shape) => shape.name === "scrubber") : null;
  return line ? (line.x0 < 1 ? 0 : line.x0) : null;
}

/** What stands above a panel. */
function headingOf(layout, x, y) {
  const above = (layout.annotations ?? []).filter((note) => note.name === "heading" && note.xref === `${x} domain` && note.yref === `${y} domain`);
  return above.map((note) => unmarked(note.text)).join(" · ");
}

/** A place on an axis: the number, or the name that stands there. */
function placeOn(layout, letter, value) {
  const names = layout.meta?.names?.[letter];
  if (names && isNumber(value)) return names[Math.round(value)] ?? value;
  return layout.meta?.over === "steps" && letter === "x" && value < 1 ? 0 : value;
}

/** The unit of an axis. */
function unitOf(layout, y) {
  const axis = axisOf(layout, y);
  const title = unmarked(axis.title?.text || (axis.matches || y === "y" ? layout.meta?.y : "") || "");
  const percent = /%$/.test(axis.tickformat ?? "") && !/~s/.test(axis.tickformat);
  return { percent, unit: [title, percent && "%"].filter(Boolean).join(", ") };
}

/** A trace's points as columns: [{ name, x, cells }]. */
function columnsOf(trace, about) {
  const x = listed(trace.x), y = listed(trace.y);
  const name = about.name || unmarked(trace.name) || "value";
  if (about.pieces) {
    const pieces = [[]];
    y.forEach((_, index) => (isNumber(x[index]) ? pieces.at(-1).push(index) : pieces.push([])));
    return pieces.filter((piece) => piece.length).map((piece, place) => (
      { name: `${name}, ${place + 1}`, x: piece.map((index) => x[index]), cells: piece.map((index) => y[index]) }));
  }
  const cells = about.said?.length ? y.map((value, index) => about.said[index] ?? value) : y;
  const more = about.more?.length ? listed(trace.customdata) : [];
  const columns = (about.more ?? []).map((title, place) => ({ name: title, x, cells: more.map((row) => row[place]) }));
  columns.splice(about.before ?? 0, 0, { name, x, cells });
  if (trace.line?.shape !== "hv") return columns;
  return columns.map((column) => ({ ...column, bins: true, x: x.slice(0, -1), cells: column.cells.slice(0, -1) })); // the last edge repeats the last bin
}

/** One table from columns that share an axis: a row for each place on it. */
function pivoted(group, layout) {
  const places = new Map(); // x to, for each column, its values there
  const drawn = group.parts.flatMap(({ trace, about, percent, unit }) => columnsOf(trace, about).map((column) => ({ ...column, percent, unit })));
  const columns = [...new Map(drawn.map((column) => [column.name, column])).values()]; // several pieces of one line are one column
  const numbers = new Map(columns.map(({ name }, index) => [name, index]));
  for (const { name, x, cells } of drawn) x.forEach((value, index) => {
    if (!isNumber(value)) return;
    const key = layout.meta?.names?.x ? Math.round(value) : value;
    if (!places.has(key)) places.set(key, columns.map(() => []));
    const cell = cells[index];
    if (isNumber(cell) || typeof cell === "string") places.get(key)[numbers.get(name)].push(cell);
  });
  const keys = [...places.keys()].sort((one, other) => one - other);
  const across = unmarked(layout.meta?.x) || "x";
  const step = stepLookedAt(layout);
  return {
    columns: [{ name: columns.some(({ bins }) => bins) ? `${across}, from` : across, unit: "", percent: false }, ...columns.map(({ name, unit, percent }) => ({ name, unit, percent }))],
    rows: keys.map((key) => [[placeOn(layout, "x", key)], ...places.get(key)]),
    at: step === null ? -1 : keys.findLastIndex((key) => key <= Math.max(step, layout.meta?.over === "steps" ? 0.5 : step)),
  };
}

/** Points of the plane, a row for each. */
function scattered(group, layout) {
  const rows = group.parts.flatMap(({ trace, about }) => {
    const y = listed(trace.y);
    return listed(trace.x).map((x, index) => [[x], [y[index]], [about.name || unmarked(trace.name)]]);
  });
  const { unit } = unitOf(layout, group.y);
  return { columns: [unmarked(layout.meta?.x) || "x", unit || "y", "kind"].map((name) => ({ name, unit: "", percent: false })), rows, at: -1 };
}

/** A heatmap: rows and columns as they are drawn, the upper row first. */
function gridded({ trace, about }, layout) {
  const z = listed(trace.z).map((row) => Array.from(row));
  const count = z[0]?.length ?? 0;
  const place = (letter, index) => {
    const own = trace[letter] && listed(trace[letter]);
    return placeOn(layout, letter, own ? own[index] : trace[`${letter}0`] === undefined ? index + Number(!layout.meta?.names) : trace[`${letter}0`] + index * (trace[`d${letter}`] ?? 1));
  };
  const [low, high] = axisOf(layout, trace.yaxis ?? "y").range ?? [0, 1];
  const order = z.map((_, index) => index);
  const counted = trace.y || trace.y0 !== undefined || layout.meta?.names;
  const down = high > low ? order.reverse() : order;
  const percent = /%$/.test(trace.colorbar?.tickformat ?? "");
  const title = unmarked(trace.colorbar?.title?.text);
  const { unit } = unitOf(layout, trace.yaxis ?? "y");
  const across = unmarked(layout.meta?.x) || "column";
  const largest = about.largest ?? 1;
  return {
    columns: [{ name: `${unit || "row"} ↓ ${across} →`, unit: "", percent: false }, ...Array.from({ length: count }, (_, index) => ({ name: place("x", index), unit: "", percent }))],
    rows: down.map((index, drawn) => [[counted ? place("y", index) : drawn + 1], ...z[index].map((value) => (isNumber(value) ? [value / largest] : []))]),
    at: -1, says: [about.name || title, percent ? "%" : ""].filter(Boolean).join(", "), grid: true,
  };
}

/**
 * The tables of a figure: { caption, notes, columns, rows, at }.
 *
 * columns: { name, unit, percent }, the first names the rows. rows: of cells, each a list of numbers or words, empty
 * where nothing was measured; shares are shares of 1. at: the row of the step that the reader looks at, or -1.
 */
export function tablesOf({ data, layout }) {
  const groups = new Map();
  const notes = [];
  for (const trace of data) {
    const about = trace.meta?.table ?? {};
    if (about === false) continue;
    if (about.note) {
      notes.push(unmarked(about.note));
      continue;
    }
    const x = trace.xaxis ?? "x", y = trace.yaxis ?? "y";
    const kind = ["table", "heatmap", "surface"].includes(trace.type) ? `${trace.type === "surface" ? "heatmap" : trace.type} ${groups.size}` : about.points ? "points" : "columns";
    const key = `${kind}|${about.panel || `${x}|${y}`}`;
    const caption = about.panel || headingOf(layout, x, y) || "";
    if (!groups.has(key)) groups.set(key, { kind: kind.split(" ")[0], caption: unmarked(caption), y, parts: [] });
    groups.get(key).parts.push({ trace, about, ...unitOf(layout, y) });
  }
  const tables = [...groups.values()].map((group) => {
    const { trace, about } = group.parts[0];
    const made = group.kind === "heatmap" ? gridded({ trace, about }, layout)
      : group.kind === "points" ? scattered(group, layout)
        : group.kind === "table" ? written(trace)
          : pivoted(group, layout);
    return { ...made, caption: [group.caption, made.says].filter(Boolean).join(": ") };
  }).filter(({ rows }) => rows.length);
  return { tables, notes: [...new Set(notes)] };
}

/** A table that is drawn as one. */
function written({ header, cells }) {
  const columns = listed(cells.values).map((column) => listed(column).map(unmarked));
  return { columns: listed(header.values).map((name) => ({ name: unmarked(name), unit: "", percent: false })), rows: (columns[0] ?? []).map((_, row) => columns.map((column) => [column[row]])), at: -1 };
}

/** Which rows and columns are shown: evenly chosen, the row of the step among them. */
export function chosenOf({ rows, columns, at }, mostRows, mostColumns) {
  const chosen = evenly(rows.length, mostRows);
  if (at >= 0 && !chosen.includes(at)) chosen.push(at);
  return { rows: chosen.sort((one, other) => one - other), columns: [0, ...evenly(columns.length - 1, mostColumns).map((index) => index + 1)] };
}

/** A number in a cell, rounded to four digits. */
export function rounded(value, percent = false) {
  if (typeof value !== "number") return String(value);
  const number = percent ? 100 * value : value;
  if (Number.isInteger(number)) return Math.abs(number) < 1e6 ? number.toLocaleString("en-US").replace("-", "−") : number.toPrecision(4).replace(/e\+?/, " × 10^").replace("-", "−");
  const short = Number(number.toPrecision(4));
  const small = Math.abs(short) < 1e-3 || Math.abs(short) >= 1e6;
  return (small ? short.toExponential().replace(/e\+?/, " × 10^") : short.toLocaleString("en-US", { maximumFractionDigits: 8 })).replaceAll("-", "−");
}

/** All rows of all tables as CSV, numbers as they are drawn. A text that a spreadsheet takes for a formula gets an apostrophe. */
export function csvOf({ tables, notes }, title) {
  const harmless = (text) => (/^[=+\-@\t]/.test(text) ? `'${text}` : text);
  const field = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const exact = (value) => {
    const digits = [6, 7, 8, 9].find((count) => Math.fround(Number(value.toPrecision(count))) === value); // of a 32-bit number
    return String(digits ? Number(value.toPrecision(digits)) : value);
  };
  const cell = (values) => field(values.map((value) => (typeof value === "number" ? exact(value) : harmless(value))).join("; "));
  const lines = [`# ${title.replaceAll("\n", " ")}`, ...notes.map((note) => `# ${note}`)];
  for (const { caption, columns, rows } of tables) {
    lines.push(`# ${caption || title}`, columns.map(({ name, unit, percent }) => field(harmless(`${name}${percent ? " (share of 1)" : unit ? ` (${unit})` : ""}`))).join(","));
    for (const row of rows) lines.push(row.map(cell).join(","));
  }
  return `${lines.join("\n")}\n`;
}
