// On a phone the sidebar lies over the page. It closes once a page was chosen in it, so that the page is seen.

const OVER_THE_PAGE = "(max-width: 640px)";

let heard = false; // once for all pages of a visit: the listener outlives them

export function sidebar() {
  if (heard) return;
  heard = true;
  document.addEventListener("click", ({ target }) => {
    if (!target.closest('[data-testid="stSidebarNav"] a') || !matchMedia(OVER_THE_PAGE).matches) return;
    document.querySelector('[data-testid="stSidebar"] [aria-label="Collapse sidebar"]')?.click();
  });
}
