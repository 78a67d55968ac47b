"""The charts, one a file. A chart on the pages of a run is in the file named after its title there.

overview                   Overview: what each layer receives, and what is learned
accuracy                   Accuracy
loss                       Loss
what_each_layer_receives   What each layer receives: quantile bands
distribution_at_one_step   Distribution at one step: a histogram
gradients                  Gradients
drift                      Drift
saturation                 Saturation
distribution_over_time     Distribution over time: a heat map with quantiles
activations_and_gradients  Activations and gradients at one step: two histograms
update_ratio               Update ratio
weight_norm                Weight norm
learning_rate              Learning rate
decision_boundary          Decision boundary
figure_1                   The paper's Figure 1
along_gradient             the loss along the gradient, for the page Landscape
sharpness                  the largest curvature of the loss over training, beside 2/η, for the same
loss_surface               the loss over a plane through the weights, for the same
signal_in_depth            activations and gradients by layer, for the page Depth
where_training_works       Where training works: the map of learning rate and initial weights
votes                      what a class answered to one question
layer/                     the charts of one normalization layer, for the page "Inside"

Labs give these their titles:

by_setting                 a quantity for each of several settings, a dot for each seed
over_steps                 quantities over the training steps
figure_2                   accuracy over the training steps, after the paper's Figure 2
generalization_gap         training and held-out examples, side by side
outputs_for_one_example    what a network answers for one example in many mini-batches
correlation                how the units of a layer vary together
table                      text in rows and columns
"""
