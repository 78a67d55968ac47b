"""`python -m bnviz load`: a class before one server, as it would be, and what that costs.

connection.py   HTTP over connections that stay open, as a browser holds them
session.py      a Streamlit session over its websocket, as a browser's page holds it
visitors.py     who comes: the teacher, viewers of the teacher's run, students with runs of their own
server.py       the server under load, its processes, and what they use
tally.py        what the visitors lived through, in numbers
scenarios.py    a shared run, own runs, a lesson in which people come and go
findings.py     the table, and which aims were met
"""
