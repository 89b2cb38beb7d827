"""Fixtures of the tracking tests."""

from tests.fixtures.mlflow_stores import empty_store, results
from tests.fixtures.stored_studies import own_tree

__all__ = ["empty_store", "own_tree", "results"]
