"""Thin start: the plain form under the name of the fast one."""

from fernas.spaces.supernet import plain


class FastNetwork(plain.Network):
    """To be filled."""
