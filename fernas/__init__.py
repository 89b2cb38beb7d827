"""fernas: a reproducible benchmark of neural architecture search for facial-expression recognition.

Importing the package is cheap: heavy libraries are imported by the functions that need them.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

__all__ = ["__version__", "load_task"]


def __getattr__(name: str) -> Any:
    """`fernas.load_task` and `fernas.api`, imported at first use so that `import fernas` stays cheap."""
    if name in ("api", "load_task"):
        api = importlib.import_module("fernas.api")
        return api if name == "api" else api.load_task
    raise AttributeError(f"module 'fernas' has no attribute {name!r}")
