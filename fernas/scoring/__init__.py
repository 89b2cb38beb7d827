"""Scores of predictions with their confidence intervals, paired tests between runs, and the statistics of a study.

Layer: scoring. Depends on: core, metrics.
"""
