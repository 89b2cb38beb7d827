"""The start of the workflow: the checked study, and a results folder that can be written."""

import os
import sys
import tempfile
from typing import Any

from fernas.core.errors import FernasError
from fernas.study import Study


def checked(document: dict[str, Any], files: list[Any]) -> Study:
    """The checked study of the workflow; an error is one message on stderr and exit status 2."""
    try:
        return Study.parse(document, ", ".join(os.path.relpath(str(file)) for file in files))
    except FernasError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        raise SystemExit(2) from error


def check_writable(study: Study) -> None:
    """One message and exit status 2 when the results folder cannot be written."""
    try:
        study.results.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=study.results, prefix=".write-"):
            pass
    except OSError as error:
        sys.stderr.write(f"ConfigError: results: {study.results}: cannot be written ({error.strerror or error})\n")
        sys.stderr.flush()
        raise SystemExit(2) from error
