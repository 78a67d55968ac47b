// The bands of a network while it trains, in a notebook; plotly.js stands before this and is called Plotly here.

const CONFIG = { displaylogo: false, displayModeBar: "hover", modeBarButtons: [["resetScale2d"]] };

const make = (name, parent, style = "") => {
  const node = parent.appendChild(document.createElement(name));
  node.style.cssText = style;
  return node;
};

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
    const { data, layout } = JSON.parse(model.get("figure"));
    plot.setAttribute("aria-label", layout.meta.alt);
    plot.style.height = `${layout.height}px`;
    await Plotly.react(plot, data, { ...layout, autosize: true }, CONFIG);
    drawn = true;
  };
  const soon = () => { waiting ||= requestAnimationFrame(draw); };
  for (const name of ["figure", "status", "notes"]) model.on(`change:${name}`, soon);
  const sizes = new ResizeObserver(() => { if (drawn && plot.clientWidth) Plotly.Plots.resize(plot); });
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
