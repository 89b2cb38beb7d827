"""Training recipes: one file per recipe, one contract (`context.TrainContext` in, models on disk out); prediction.

Layer: training. Depends on: core, metrics, spaces, learn.
"""
