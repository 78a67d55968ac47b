"""The contender of the live figures: Streamlit's own chart, redrawn by a fragment twice a second.

It draws as much as three figures of bnviz: 20 lines of 500 points, new ones each time. Run by `streamlit run`.
"""

import time

import numpy as np
import streamlit as st

LINES, POINTS = 20, 500


@st.fragment(run_every=0.5)
def chart() -> None:
    """Draw the lines as they are by now."""
    steps = np.arange(POINTS)
    waves = np.sin((steps[None, :] + 40 * time.time()) / (5 + np.arange(LINES)[:, None]))
    figure = {
        "data": [{"type": "scatter", "mode": "lines", "x": steps, "y": wave} for wave in waves],
        "layout": {"uirevision": "same", "height": 400},
    }
    st.plotly_chart(figure, key="chart")


if st.runtime.exists():
    chart()
