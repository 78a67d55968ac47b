// How a part of a page comes and goes with its Streamlit component.

import { make } from "./elements.js";

const parts = new WeakMap();
const LEAVE = 2000; // ms after which a part that was not mounted again is gone

/** The part of a component: a Kind made from its [data-bnviz] element, kept for as long as that lives. */
export function mount(Kind, component) {
  const parent = component.parentElement;
  const { style, view } = component.data;
  document.documentElement.dataset.bnvizView = view ?? "";
  if (!document.querySelector(`link[href="${style}"]`)) {
    document.head.append(make("link", { rel: "stylesheet", href: style }));
  }
  let part = parts.get(parent);
  clearTimeout(part?.leaving);
  if (!part?.node.isConnected) {
    part?.close();
    part = new Kind(parent.querySelector("[data-bnviz]"));
    parts.set(parent, part);
  }
  part.update(component);
  // Streamlit takes leave before a rerun as well, and is back at once.
  return () => {
    part.leaving = setTimeout(() => {
      if (parts.get(parent) === part) parts.delete(parent);
      part.close();
      part.node.replaceChildren();
    }, LEAVE);
  };
}
