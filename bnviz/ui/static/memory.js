// Which labs were done in this browser, with their verdicts. Nothing else is kept, and it never leaves the browser
// but for the page that shows it.

const PLACE = "bnviz.labs.done";

function kept() {
  try {
    return JSON.parse(localStorage.getItem(PLACE) ?? "{}");
  } catch {
    return {}; // a browser that keeps nothing, or what somebody else wrote there
  }
}

/** Keep the verdicts that the page names, and tell the page all that are kept. */
export function remember(component) {
  const { done, known, forget } = component.data;
  const all = { ...(forget ? {} : kept()), ...done };
  try {
    localStorage.setItem(PLACE, JSON.stringify(all));
  } catch {
    // it lasts as long as the visit
  }
  const told = JSON.stringify(all);
  if (told !== known) component.setStateValue("done", told);
}
