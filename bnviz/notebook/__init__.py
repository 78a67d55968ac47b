"""What notebooks show of a Recording, wherever a notebook is opened.

page     the bands as a picture, and the notes: `_repr_html_`, without a script and without a request
widget   the bands while the network trains: `recording.live()`
"""
