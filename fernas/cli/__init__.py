"""The command line: each command prints a table, or JSON with `--json`; exit status 2 on bad input.

Layer: cli. Depends on: everything below.
"""

import io
import sys


def main() -> None:
    """Run the command line; a FernasError is one message on stderr and exit status 2."""
    from fernas.cli.app import app
    from fernas.core.errors import FernasError

    if isinstance(sys.stdout, io.TextIOWrapper):
        # names of files need not be UTF-8, nor need a terminal be: what it cannot show is escaped, as json does it
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except FernasError as error:
        message = f"{type(error).__name__}: {error}"
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        message = f"{type(error).__name__}: {where}{error.strerror or error}"
    except UnicodeError as error:
        message = f"{type(error).__name__}: a text or a name is not UTF-8 ({error})"
    except RecursionError:
        message = "RecursionError: the input is nested too deeply"
    except MemoryError as error:
        message = f"MemoryError: the input needs more memory than there is ({error})"
    else:
        return
    sys.stderr.write(f"{message}\n")
    raise SystemExit(2)
