"""The lowest layer: errors, configuration, plug-ins, seeds, atomic files, checkpoints, signals, the budget meter.

Layer: core. Depends on: nothing in fernas.
"""
