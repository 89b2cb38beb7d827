"""Protocols: which subjects are in which split. One file per protocol; folds, fold groups, parts and their audit.

Pure functions of a table of samples: ids in, ids out, nothing is read or written. `folds` is the page to read first.
May import: core.
"""
