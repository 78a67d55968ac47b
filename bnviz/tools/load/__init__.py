"""`python -m bnviz load`: puts a class of virtual users on one server, and measures what it costs.

connection.py      HTTP over connections that stay open, as a browser holds them
session.py         a Streamlit session over its websocket, as a browser's page holds it
virtual_users.py   the teacher, viewers of the teacher's run, students with runs of their own
server.py          the server under load, its processes, and what they use
tally.py           counts of answers, updates, bytes and failures
scenarios.py       the scenarios "shared", one run with many viewers, and "own", one run for each student
churn.py           the scenario "churn": users come and go, and memory must not grow
findings.py        the table of results, and which aims were met
whole.py           the command: every scenario on a server of its own
"""
