"""A page with every text of the labs and lessons, set by Streamlit as the app's own pages set it."""

import streamlit as st

from bnviz.classroom.lesson_plans import SHIPPED, all_plans
from bnviz.labs import all_labs

for lab in all_labs().values():
    st.header(lab.name)
    st.markdown(lab.quote)
    st.markdown(lab.question)
    st.markdown(lab.explanation)
for plan in all_plans((SHIPPED,))[0]:
    for part in plan.parts:
        st.markdown(part.shown_text)
st.caption("All texts are above.")
