"""What several charts are drawn with.

lines            a reference, a step, a mean, the end of an arm that diverged
end_labels       names at the right ends of lines
quantile_bands   bands around a median
zones            where the nonlinearity hardly answers
arm_lines        a line for each arm: accuracy, loss
layer_lines      a line for each layer: gradients, drift, saturation; layer_labels names them
histogram_outline  a histogram as an outline with a light fill
squares          small pictures in rows: images, filters, feature maps
"""
