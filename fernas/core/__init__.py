"""The lowest layer: types, errors, configuration, plug-in lookup, seeds, atomic files, run keys, the budget meter.

Layer: core. Depends on: nothing in fernas.
"""
