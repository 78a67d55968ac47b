"""A class that looks at one run: shared runs, questions to the class, lesson plans, links that hide or lock controls.

Rooms, Room    the classes of this server, kept in SQLite below BNVIZ_HOME (rooms.py, store.py)
ClassSubject   what a class looks at: the networks of the Playground, or a lab (subject.py)
tally          what a class answered, and who was right (voting.py)
LessonPlan     labs and Playground settings in an order, with text between them (lesson_plans.py)
Restrictions   controls that a link hides or locks (restrictions.py)

No torch, no Streamlit. The routes are in bnviz/web/classes.py; what students see is in bnviz/ui/static/class*.js.
"""
