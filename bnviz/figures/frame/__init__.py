"""What every chart stands on.

frame      Frame: title, panels and notes of one figure
plot       Plot, what a chart returns; PlotFunction, what a chart is
axes       how far an axis reaches, and its ticks
scale      the y axis of a chart whose quantity its caller names
palette    colours and dashes
theme      how a figure looks on a background
arms       colour, dash and name of each arm
layers     which layers are shown, and what they are called
numbers    numbers as words
thinning   fewer points of a line
"""
