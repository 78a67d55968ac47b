"""What was measured of the watched networks on a page, and what was not: each series by its name, never mixed."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from bnviz.export.notes import notes_html
from bnviz.recording import Recording

_STYLE = """
<style>
.bnviz-notes h3 { font-size: 1.05rem; font-weight: 600; margin: 0.75rem 0 0; padding: 0; }
.bnviz-notes p { margin: 0 0 0.35rem; }
.bnviz-notes ul { margin: 0 0 0.5rem; padding-left: 1.2rem; }
.bnviz-notes li, .bnviz-notes td, .bnviz-notes th { font-size: 0.9rem; line-height: 1.4; }
.bnviz-notes-table { overflow-x: auto; }
.bnviz-notes table { border-collapse: collapse; width: 100%; }
.bnviz-notes :is(td, th) {
  border: 0; text-align: left; vertical-align: top; padding: 0.3rem 1rem 0.3rem 0; font-weight: 400;
  border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); overflow-wrap: anywhere;
}
.bnviz-notes tbody th { font-weight: 600; min-width: 5rem; }
.bnviz-notes thead th { border-top: 0; white-space: nowrap; }
@media (max-width: 640px) {
  .bnviz-notes :is(table, tbody, tr, td, th) { display: block; }
  .bnviz-notes thead { display: none; }
  .bnviz-notes :is(td, tbody th) { border-top: 0; padding: 0.1rem 0; }
  .bnviz-notes tr { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: 0.4rem 0; }
}
</style>
"""


def show(recordings: Sequence[Recording]) -> None:
    """Draw them, nothing where no network was watched."""
    told = notes_html(recordings)
    if told:
        st.html(f"{_STYLE}<h2 class='bnviz-notes-title'>What was measured, and what was not</h2>{told}")
