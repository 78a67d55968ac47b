// Which labs were done in this browser, with their verdicts. Nothing else is kept, and it never leaves the browser
// but for the page that shows it.

const PLACE = "bnviz.labs.done";
let handled = 0; // how often this visit asked to forget, as far as that is done

function kept() {
  try {
    return JSON.parse(localStorage.getItem(PLACE) ?? "{}");
  } catch {
    return {}; // a browser that keeps nothing, or what somebody else wrote there
  }
}

/** Keep the verdicts that the page names, and tell the page all that are kept, and after how many times of forgetting. */
export function remember(component) {
  const { done, known, forgotten } = component.data;
  const all = { ...(forgotten > handled ? {} : kept()), ...done };
  handled = forgotten;
  try {
    localStorage.setItem(PLACE, JSON.stringify(all));
  } catch {
    // it lasts as long as the visit
  }
  const told = JSON.stringify([forgotten, all]);
  if (told !== known) component.setStateValue("done", told);
}
