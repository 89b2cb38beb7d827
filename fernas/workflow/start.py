"""The start of the workflow: the checked study, and a results folder that can be written."""

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from fernas.core.errors import FernasError
from fernas.study import Study
from fernas.study.left_over import list_left_over
from fernas.study.study import refuse_repeated_keys
from fernas.workflow import stale


def checked(document: dict[str, Any], files: list[Any]) -> Study:
    """The checked study of the workflow; an error is one message on stderr and exit status 2."""
    try:
        for file in filter(os.path.isfile, files):
            # Snakemake has read it, and kept the last of two
            refuse_repeated_keys(Path(file).read_text(encoding="utf-8"), os.path.relpath(str(file)))
        return Study.parse(document, ", ".join(os.path.relpath(str(file)) for file in files))
    except FernasError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        raise SystemExit(2) from error


NO_RUN = (
    "dryrun", "unlock", "lint", "report", "summary", "detailed_summary", "dag", "rulegraph", "filegraph", "d3dag",
    "list_rules", "list_target_rules", "list_changes", "list_input_changes", "list_params_changes", "list_untracked",
    "archive", "containerize", "cleanup_metadata", "print_compilation",
)  # fmt: skip


def will_run() -> bool:
    """Whether the Snakemake of this process will run jobs, by its command line: no dry run, no list, no report."""
    # as a function, so that only the process that starts jobs loads it
    from snakemake.cli import parse_args

    try:
        with contextlib.redirect_stderr(io.StringIO()):  # it names the profile, which has been said
            _, arguments = parse_args(sys.argv[1:])
    except SystemExit:  # the command line is not Snakemake's
        return False
    return not any(getattr(arguments, name, None) for name in NO_RUN)


def take_over(study: Study) -> None:
    """Check that results can be written and that no other Snakemake runs the study; clear what a killed one left."""
    check_writable(study)
    try:
        stale.take_over(study.layout)
    except FernasError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        raise SystemExit(2) from error
    stale.date_future_files(study.layout)
    folders = list_left_over(study)
    if folders:
        sys.stderr.write(
            f"not counted: {len(folders)} folders of seeds, fold groups or shards that the config no longer has "
            f"(first: {folders[0]}); `fernas clean --left-over` removes them\n"
        )


PROBE_BYTES = 1 << 14  # above zero, and below what a limit on file sizes lets through


def check_writable(study: Study) -> None:
    """One message and exit status 2 when the results folder or the one for temporary files cannot be written."""
    layout = study.layout
    # not tempfile.gettempdir(), which passes over a full TMPDIR; Snakemake's solver and shells do not
    temporary = Path(os.environ.get("TMPDIR") or tempfile.gettempdir())
    try:
        # another user may have made what lies in the results folder
        for folder in (layout.path, layout.work.path, layout.logs):
            name = "results"
            folder.mkdir(parents=True, exist_ok=True)
            _write_probe(folder, 0)
        name, folder = "TMPDIR", temporary
        _write_probe(folder, PROBE_BYTES)
    except OSError as error:
        sys.stderr.write(f"ConfigError: {name}: {folder}: cannot be written ({error.strerror or error})\n")
        sys.stderr.flush()
        raise SystemExit(2) from error


def _write_probe(folder: Path, size: int) -> None:
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".write-") as file:
        file.write(bytes(size))
        file.flush()
