"""Scores of predictions with their intervals, paired tests between runs, and the statistics of a whole study.

Layer: evaluation. Depends on: core, metrics, protocols.
"""
