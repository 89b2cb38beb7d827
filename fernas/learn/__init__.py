"""Learning: arrays, batched augmentation, epochs, checkpoints; what searches and training recipes share.

Layer: learn. Depends on: core, metrics, spaces.
"""
