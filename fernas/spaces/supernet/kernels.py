"""Thin start."""


def status() -> str:
    """One line on the kernels."""
    return "pure: kernels not built yet"
