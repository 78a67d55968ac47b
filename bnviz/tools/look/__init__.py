"""`make look`: every page and lab as it is shown, in a real browser, with what is wrong with it.

views.py     which pages, at which sizes, and what each must show on its first screen
faults.py    what is wrong with a page as it stands: formulas, markup, figures, accessibility
keyboard.py  where the Tab key stops, and in which order
visit.py     opens a view, plays it, takes its pictures
sheet.py     all first screens on one picture
film.py      the moving picture of the README: the first minute

It needs what the tests need: playwright, axe-playwright-python, Pillow and Chromium or Chrome.
"""
