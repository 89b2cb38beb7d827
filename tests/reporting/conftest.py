"""Fixtures of the reporting tests."""

from tests.fixtures.stored_studies import own_tree, tree

__all__ = ["own_tree", "tree"]
