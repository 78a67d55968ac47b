// The bands of a network while it trains, in a notebook; plotly.js stands before this and is called Plotly here.

const CONFIG = { displaylogo: false, displayModeBar: "hover", modeBarButtons: [["resetScale2d"]] };

const make = (name, parent, style = "") => {
  const node = parent.appendChild(document.createElement(name));
  node.style.cssText = style;
  return node;
};

const LINE = 16, CHARACTER = 6; // pixels, of the line below a figure's title

/** The layout with the line below the title broken anew for a plot of this width, and as much higher as that takes. */
function fitted(layout, width) {
  const [, head, style, body] = layout.title.text.match(/^(.*?)<br>(<span[^>]*>)(.*)<\/span>$/) ?? [];
  if (!body) return layout;
  const lines = [""];
  for (const word of body.replaceAll("<br>", " ").split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length * CHARACTER > width) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  const more = Math.max(0, lines.length - body.split("<br>").length) * LINE;
  const height = layout.height + more;
  const y = 1 - ((1 - layout.title.y) * layout.height) / height; // as far from the top as before
  return {
    ...layout, height, margin: { ...layout.margin, t: layout.margin.t + more },
    title: { ...layout.title, y, text: `${head}<br>${style}${lines.join("<br>")}</span>` },
  };
}

/** Draws what the model's traits say into an element of the notebook, until the function returned is called. */
function render({ model, el }) {
  // White whatever the notebook's theme is: the figure's inks are made for it.
  const frame = make("div", el, "background: #fff; color: #1f2430; padding: 4px 8px; overflow: hidden");
  frame.className = "bnviz-live";
  const plot = make("div", frame, "width: 100%");
  plot.setAttribute("role", "figure");
  const status = make("p", frame, "margin: 0; font: 13px system-ui, sans-serif");
  const details = make("details", frame, "font: 13px/1.5 system-ui, sans-serif");
  make("summary", details, "cursor: pointer").textContent = "What was measured, and what was not";
  const notes = make("ul", details, "margin: 0.3em 0; padding-left: 1.4em");

  let waiting = 0, drawn = false, gone = false;
  const draw = async () => {
    waiting = 0;
    if (gone) return;
    status.textContent = model.get("status");
    notes.replaceChildren(...model.get("notes").map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }));
    details.hidden = !notes.childElementCount;
    if (!model.get("figure")) return;
    const { data, layout: made } = JSON.parse(model.get("figure"));
    const layout = fitted(made, plot.clientWidth);
    plot.setAttribute("aria-label", layout.meta.alt);
    plot.style.height = `${layout.height}px`;
    await Plotly.react(plot, data, { ...layout, autosize: true }, CONFIG);
    drawn = true;
  };
  const soon = () => { waiting ||= requestAnimationFrame(draw); };
  for (const name of ["figure", "status", "notes"]) model.on(`change:${name}`, soon);
  let width = 0;
  const sizes = new ResizeObserver(() => {
    if (plot.clientWidth && plot.clientWidth !== width) soon();
    width = plot.clientWidth;
  });
  sizes.observe(frame);
  soon();
  return () => {
    gone = true;
    cancelAnimationFrame(waiting);
    sizes.disconnect();
    for (const name of ["figure", "status", "notes"]) model.off(`change:${name}`, soon);
    if (drawn) Plotly.purge(plot);
  };
}

export default { render };
