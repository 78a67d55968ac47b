// Which labs were done in this browser, with their verdicts, where one got to in which lesson, and the draft of one's own.
// Nothing else is kept, and it never leaves the browser but for the page that shows it.

const PLACES = "bnviz.lessons";
const PLACE = "bnviz.labs.done";
let handled = 0; // how often this visit asked to forget, as far as that is done

function kept(place = PLACE) {
  try {
    return JSON.parse(read(place) || "{}");
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

/** Keep the part that each lesson was left at, and tell the page all that are kept. */
export function places(component) {
  const { now, known } = component.data;
  const all = { ...kept(PLACES), ...now };
  try {
    localStorage.setItem(PLACES, JSON.stringify(all));
  } catch {
    // it lasts as long as the visit
  }
  const told = JSON.stringify(all);
  if (told !== known) component.setStateValue("all", told);
}

const DRAFT = "bnviz.lesson-draft";
let waiting = null; // null before the first call, then the draft that the page has yet to take in, or ""

/** Keep the lesson that is being written, and tell the page the one that an earlier visit left. */
export function draft(component) {
  const { text, known } = component.data;
  if (waiting === null || (!text && !known)) {
    waiting = read(DRAFT);
    if (waiting) {
      component.setStateValue("text", waiting);
      return;
    }
  }
  if (waiting && known !== waiting) return;
  waiting = "";
  try {
    if (text) localStorage.setItem(DRAFT, text);
  } catch {
    // it lasts as long as the visit
  }
}

function read(place) {
  try {
    return localStorage.getItem(place) ?? "";
  } catch {
    return "";
  }
}

const INVITED = "bnviz.invited";

/** Show the invitation to whoever has neither followed nor dismissed it in this browser. */
export function invite(component) {
  const line = component.parentElement.querySelector(".bnviz-invitation");
  line.hidden = Boolean(read(INVITED) || read(PLACES));
  const answered = () => {
    line.hidden = true;
    try {
      localStorage.setItem(INVITED, "yes");
    } catch {
      // it lasts as long as the page
    }
  };
  line.querySelector("button").onclick = answered;
  line.querySelector("a").onclick = answered;
}
