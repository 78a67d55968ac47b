"""The pages' parts: the only modules of bnviz that import Streamlit."""
