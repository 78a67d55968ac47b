"""What every page has: its frame, its first line, its notices, its last line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from bnviz.ui.parts.component import component, data_of

ICON = Path(__file__).parents[1] / "static" / "icon.svg"

_STYLE = """
<style>
.bnviz-intro { font-size: 1.05rem; line-height: 1.45; margin: 0; padding: 0; font-weight: 400; max-width: 62rem; }
.bnviz-hidden { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
.stElementContainer:has(.bnviz-hidden) { position: absolute; width: 1px; overflow: hidden; }
.st-key-sidebar-closer, .st-key-memory { position: absolute; } /* parts that show nothing take no room */
.stMainBlockContainer { padding: 3.9rem 2rem 5rem; max-width: 1500px; }
[data-testid="stBaseButton-primary"], [data-testid="stBaseButton-primary"] p {
  color: light-dark(#fff, #0e1117) !important;
}
[data-testid="stCaptionContainer"] {
  opacity: 1 !important;
  color: color-mix(in srgb, currentColor 80%, transparent) !important;
}
[data-testid="stCaptionContainer"] :is(p, li, em) { opacity: 1; color: inherit !important; }
.stMainBlockContainer [data-testid="stHeading"] h1 { font-size: 2rem; padding: 0.5rem 0 0.75rem; }
.stMainBlockContainer h2 { font-size: 1.35rem; }
.stApp :is(button, a, summary, textarea, [role="slider"], [role="tab"], [tabindex="0"]:not(input)):focus-visible,
.stApp label:has(> input:focus-visible), .stApp [data-rac][data-focus-visible] {
  outline: 3px solid light-dark(#0072b2, #3d9bd6) !important; /* the primary colour of either theme */
  outline-offset: 2px;
}
@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after {
    animation-duration: 0.01ms !important;
    animation-iteration-count: 1 !important;
    transition-duration: 0.01ms !important;
    scroll-behavior: auto !important;
  }
}
/* Out of sight, and no stop of the Tab key. */
[data-testid="stSidebar"][data-collapsed="true"] * { visibility: hidden !important; }
[data-testid="stSidebarUserContent"] { padding-top: 0.5rem; padding-bottom: 2rem; }
/* Long names of values beside the letters of the arms. */
.st-key-arms { padding-inline: 0.6rem !important; }
[class*="st-key-arm-"] input { padding-inline: 0.4rem 0 !important; font-size: 0.8rem !important; }
[class*="st-key-arm-"] input { text-overflow: ellipsis; }
[data-testid="stSidebarHeader"] { height: 2.5rem; margin-bottom: 0; }
@media (max-width: 768px) { /* the pages stand behind this button: a sign alone does not say so */
  [data-testid="stExpandSidebarButton"] { width: auto !important; padding-inline: 0.5rem !important; color: inherit; }
  [data-testid="stExpandSidebarButton"]::after { content: "Menu"; font-size: 1rem; }
}
@media (min-width: 641px) and (max-width: 768px) { /* at 200 %: the picture beside the sidebar */
  [data-testid="stSidebar"][data-collapsed="false"],
  [data-testid="stSidebar"][data-collapsed="false"] ~ div:has(> [data-testid="stMain"]) {
    position: relative !important;
  }
}
@media (max-width: 640px) {
  .bnviz-intro > span { display: none; }
  [class*="st-key-row-"], [class*="st-key-row-"] [role="radiogroup"] {
    flex-wrap: nowrap !important;
    overflow-x: auto;
  }
  [class*="st-key-row-"] > *, [class*="st-key-row-"] [role="radiogroup"] > * { flex: none; }
  [class*="st-key-row-"] [aria-checked="true"] { scroll-initial-target: nearest; }
  .stMainBlockContainer { padding: 3.75rem 0.9rem 6rem; }
  .stMainBlockContainer [data-testid="stHeading"] h1 { font-size: 1.5rem; }
}
</style>
"""


def frame() -> None:
    """Set up the browser's tab and the page's width. Call it once, before anything is drawn."""
    st.set_page_config(page_title="bnviz", page_icon=str(ICON), layout="wide")
    st.logo(str(ICON), size="large")
    st.html(_STYLE)
    closer = component("sidebar", "bnviz_sidebar", "<span hidden></span>")
    closer(key="sidebar-closer", data=data_of("sidebar.js"))


def one_row(name: str) -> str:
    """The key of a container whose controls stand on a phone in one row that scrolls sideways by itself."""
    return f"row-{name}"


def intro(text: str, hidden: bool = False) -> None:
    """The page's first line, its heading: what there is to see. A <span> in it is left out on phones.

    hidden: for screen readers alone.
    """
    st.html(f'<h1 class="bnviz-intro{" bnviz-hidden" * hidden}">{text}</h1>')


def notice_ignored(sentences: Sequence[str], key: str = "ignored") -> None:
    """Say in one line what a link or a control asks for in vain. key: another for each call on a page."""
    if sentences:
        shown = "; ".join(sentences[:3]) + (f"; and {len(sentences) - 3} more" if len(sentences) > 3 else "")
        with st.container(key=key):
            st.warning(f"Ignored: {plain(shown)}.", icon=":material/info:")


def footer(elsewhere: bool = False, measured: str = "a network in training") -> None:
    """The page's last line. elsewhere: whether a network may have been trained on another computer.

    measured: on what.
    """
    where = "some perhaps on another computer" if elsewhere else "on this computer"
    st.caption(
        f"Every curve here was measured on {measured}, {where}. "
        "After S. Ioffe and C. Szegedy, *Batch Normalization: Accelerating Deep Network Training by "
        "Reducing Internal Covariate Shift*, 2015, arXiv:1502.03167."
    )


def unbroken(text: str) -> str:
    """The text with each number and its sign on one line: no line begins with "%" or "×"."""
    return re.sub(r"(?<=\d) (?=[%×σ](?!\w))", "\N{NO-BREAK SPACE}", text)


def plain(text: str) -> str:
    """Text that a stranger may have written, made safe to show as Markdown."""
    for sign in "\\`*_{}[]()<>#+!|~$:":
        text = text.replace(sign, "\\" + sign)
    return text
