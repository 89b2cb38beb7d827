"""Corpora: one adapter file per corpus turns its real on-disk layout into a manifest, audits the copy and writes its card.

Layer: datasets. Depends on: core.
"""
