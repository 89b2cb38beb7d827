"""The command line: each command prints a table, or JSON with `--json`; exit status 2 on bad input.

Layer: cli. Depends on: everything below.
"""

import sys


def main() -> None:
    """Run the command line; a FernasError is one message on stderr and exit status 2."""
    from fernas.cli.app import app
    from fernas.core.errors import FernasError

    try:
        app()
    except FernasError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        raise SystemExit(2) from error
