"""Moved to `fernas.workflow.digest`; this name goes when reporting no longer asks for it."""

from fernas.workflow.digest import code_digest

__all__ = ["code_digest"]
