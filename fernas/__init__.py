"""fernas: a reproducible benchmark of neural architecture search for facial-expression recognition.

Importing the package is cheap: heavy libraries are imported by the functions that need them.
"""

from typing import Any

__version__ = "0.1.0"

__all__ = ["__version__", "load_task"]


def __getattr__(name: str) -> Any:
    """`fernas.load_task`, imported at first use so that `import fernas` stays cheap."""
    if name == "load_task":
        from fernas.api import load_task

        return load_task
    raise AttributeError(f"module 'fernas' has no attribute {name!r}")
