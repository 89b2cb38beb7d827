"""The MLflow mirror of a results folder; see `mirror` for what it does and its invariants.

`run_files` reads what the files say, `mirror` brings a store up to it, `follow` does so while a study runs, `store` is
what a store must offer, and `_mlflow` alone imports mlflow. Layer: tracking. Depends on: core, metrics, study,
reporting (its readers of stored runs and its confusion figure).
"""
