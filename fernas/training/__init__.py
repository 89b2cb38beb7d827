"""Training recipes: one file per recipe, one contract; prediction and ensembles.

`run.run_training` reads the folds of a shard and calls the recipe's `run(TrainContext)`. A recipe declares its options
and trains one fold; `_shard.train_shard` goes through the folds, saves, and writes all models into one file;
`learn.fit` is the loop over epochs. `predict` alone reads test ids.

Layer: training. Depends on: core, metrics, spaces, learn.
"""
