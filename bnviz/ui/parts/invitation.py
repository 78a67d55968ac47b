"""One line on the Playground that leads a first visitor to the lesson on the paper, until it is dismissed."""

from __future__ import annotations

from bnviz.ui.parts.component import component, data_of

_HTML = """
<aside class="bnviz-invitation" aria-label="For a first visit" hidden>
  <a href="start">New here? The paper, live: 20 minutes, a run beside every step.</a>
  <button type="button" aria-label="Do not show this again">Not now</button>
</aside>
"""
_CSS = """
.bnviz-invitation {
  position: fixed; right: 1.2rem; bottom: 1.2rem; z-index: 90; display: flex; gap: 0.8rem; align-items: center;
  padding: 0.5rem 0.5rem 0.5rem 1rem; border: 1px solid var(--st-primary-color); border-radius: 0.6rem;
  background: var(--st-background-color); color: var(--st-text-color); font-family: var(--st-font); font-size: 1rem;
}
.bnviz-invitation[hidden] { display: none; }
/* Once something was played, it would cover what is looked at. */
body:has(.bnviz-bar[data-state]:not([data-state="ready"])) .bnviz-invitation { display: none; }
.bnviz-invitation a { color: inherit; }
.bnviz-invitation button {
  min-height: 2.5rem; padding: 0 0.8rem; border: 0; border-radius: 0.4rem; background: transparent; color: inherit;
  font: inherit; cursor: pointer; text-decoration: underline;
}
@media (max-width: 640px) { .bnviz-invitation { right: 0.5rem; left: 0.5rem; bottom: 8.5rem; font-size: 0.95rem; } }
"""


def show() -> None:
    """Draw it; the browser hides it once it was followed or dismissed."""
    component("invite", "bnviz_invitation", _HTML, _CSS)(key="invitation", data=data_of("memory.js"))
