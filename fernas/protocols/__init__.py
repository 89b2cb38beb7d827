"""Who is on which side: protocols (one file each), folds, groups of folds, parts of a training side, and their audit.

Pure functions of a table of samples: ids in, ids out, nothing is read or written. Layer: protocols. Depends on: core.
"""
