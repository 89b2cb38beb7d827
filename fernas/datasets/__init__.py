"""Datasets: one adapter file per dataset turns its real on-disk layout into a manifest; audits and data cards.

Layer: datasets. Depends on: core.
"""
