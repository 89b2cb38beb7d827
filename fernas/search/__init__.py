"""Architecture search: one file per method, one contract (`context.SearchContext` in, an architecture out).

Layer: search. Depends on: core, metrics, spaces, learn.
"""
