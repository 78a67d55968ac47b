"""A run or a lab as one HTML page that needs no server and no network, and a lab's report as HTML and PDF.

page.py       the page around everything: style, script, data, and the rule that forbids any network
run_page.py   a run
lab_page.py   a finished lab, which asks for a prediction first
report.py     a finished lab, to be handed in
templates/    their HTML, for Jinja
"""
