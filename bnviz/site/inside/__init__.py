"""The page Inside without a server: one layer on a recorded mini-batch.

looked      what a lesson's link looks at, and the questions that it asks of trained networks
sections    their answers as words, figures, tables and parts that move
page        the page
"""
