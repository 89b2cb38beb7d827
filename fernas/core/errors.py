"""The errors of fernas; each text says what, where, got, expected."""

import difflib
from collections.abc import Iterable


class FernasError(Exception):
    """Base of all errors that a user or a caller can act on; the command line ends with status 2 on one."""


class ConfigError(FernasError):
    """Something in config.yaml or on the command line is wrong."""


class DataError(FernasError):
    """A dataset, an image, an annotation or another input file is not as it must be."""


class ContractError(FernasError):
    """An artefact between two stages breaks its contract (subject leakage between splits, a missing column)."""


class ScienceError(FernasError):
    """A computation failed as science can fail (NaN, out of memory after the fallback): recorded, never retried."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"` for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def unknown(what: str, name: str, known: Iterable[str]) -> ConfigError:
    """The error for a name that is not in a list of known names."""
    names = sorted(known)
    return ConfigError(f"{what}: unknown name {name!r}{did_you_mean(name, names)}; known: {', '.join(names) or 'none'}")
