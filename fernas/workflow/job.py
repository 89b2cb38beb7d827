"""How a workflow script runs: log file, thread limits, typed arguments, one line for an error."""

import errno
import inspect
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fernas.core import interrupt, log
from fernas.core.errors import FernasError
from fernas.core.io import remove_left_over, sha256_file
from fernas.study.layout import RENDERED
from fernas.workflow import lease, parent
from fernas.workflow.digest import combine_digests, run_key

logger = logging.getLogger(__name__)
NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "a file may not grow that large",
    errno.EROFS: "the file system is read-only",
}
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "OPENCV_FOR_THREADS_NUM",
)  # fmt: skip


@dataclass(frozen=True)
class RuleJob:
    """One job of a rule, as scripts that checkpoint need it.

    Attributes:
        rule: its rule.
        wildcards, inputs, params: by name; an input is a path or a list of paths, `params` without `code` and `run`.
        code: digest of the code that it uses.
        threads: how many it may use.
        run: `device`, `every_s` (seconds between checkpoints) and `work` (the folder of checkpoints).
    """

    rule: str
    wildcards: Mapping[str, str]
    inputs: Mapping[str, str | list[str]]
    params: Mapping[str, Any]
    code: str
    threads: int
    run: Mapping[str, Any]

    @cached_property
    def run_key(self) -> str:
        """The key of its checkpoints: another input, option or code has another one. Reads all inputs."""
        digests = {
            name: combine_digests(paths) if isinstance(paths, list) else sha256_file(paths)
            for name, paths in sorted(self.inputs.items())
        }
        return run_key(self.rule, dict(self.wildcards), dict(self.params), digests, self.code)

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of `fernas.learn.job.JobInputs`, apart from `out_dir`."""
        return {
            **{name: Path(str(self.inputs[name])) for name in ("inputs", "table", "folds")},
            "seed": self.params["seed"],
            "work_dir": Path(self.run["work"]),
            "run_key": self.run_key,
            "threads": self.threads,
            "device": self.run["device"],
            "every_s": self.run["every_s"],
        }


def run_rule(snakemake: Any, main: Callable[..., None], private: bool = False) -> None:
    """Call `main` with what it asks for of a Snakemake job.

    `main` gets by name what it has parameters for: an input, an output or a param of its rule (`code` apart). Groups
    have names of their own: `input`, `output`, `params` and `wildcards` are namespaces of all of them, `job` is the
    `RuleJob`. What `main` does not ask for orders the job, or lies in the folder of something that it asks for.

    Limits the threads of numerical libraries to the job's (before they are imported) and sends logging to the job's
    log. A FernasError becomes its one message and exit status 2; a signal, after which the job has saved its state,
    becomes 128 + its number. A job that asks for a GPU holds a lease of one (see `fernas.workflow.lease`).

    The files of a `private` rule hold faces and ids; those of real people are readable by their owner alone.
    """
    if private:
        names = dict(snakemake.wildcards.items())
        if not str(names.get("data", names.get("task"))).endswith(RENDERED):
            os.umask(0o077)
    for name in THREAD_VARIABLES:
        os.environ[name] = str(snakemake.threads)
    try:
        log.to_file(str(snakemake.log[0]))
        parent.watch_snakemake()
        arguments = arguments_for(snakemake, main)
        for output in _plain(snakemake.output).values():
            for path in [output] if isinstance(output, str) else output:
                remove_left_over(path)  # of this job, when it was killed before; nobody else writes its outputs
        with lease.for_job(dict(snakemake.resources.items()), dict(snakemake.params.items())):
            main(**arguments)
    except interrupt.Interrupted as stop:
        logger.warning("%s", stop)
        raise SystemExit(stop.status) from stop
    except KeyboardInterrupt as stop:
        logger.warning("ended by Ctrl-C; the next start continues from the last saved state")
        raise SystemExit(128 + signal.SIGINT) from stop
    except FernasError as error:
        _say(str(error))
        raise SystemExit(2) from error
    except Exception as error:  # noqa: BLE001 - all but those of the machine are raised again
        message = machine_fault(error)
        if message is None:
            raise
        _say(message)
        raise SystemExit(2) from error


def _say(message: str) -> None:
    """Log the error of a job; on stderr where the log itself cannot be written."""
    logger.error("%s", message)
    try:
        sys.stderr.flush()  # the log, see `log.to_file`
    except OSError:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # else Python ends with status 120
        print(message, file=sys.stderr)  # noqa: T201


def arguments_for(snakemake: Any, main: Callable[..., None]) -> dict[str, Any]:
    """The arguments that `main` has parameters for; see `run_rule`."""
    inputs, outputs, params = (_plain(getattr(snakemake, name)) for name in ("input", "output", "params"))
    code, run = str(params.pop("code", "")), params.get("run", {})
    wildcards = dict(getattr(snakemake, "wildcards", SimpleNamespace(items=dict)).items())
    keyed = {name: value for name, value in params.items() if name != "run"}
    groups = {
        "input": SimpleNamespace(**inputs),
        "output": SimpleNamespace(**outputs),
        "params": SimpleNamespace(**params),
        "wildcards": SimpleNamespace(**wildcards),
        "job": RuleJob(getattr(snakemake, "rule", ""), wildcards, inputs, keyed, code, snakemake.threads, run),
        "threads": snakemake.threads,
    }
    known = {**groups, **inputs, **outputs, **params}
    if len(known) < len(groups) + len(inputs) + len(outputs) + len(params):
        raise TypeError(f"rule {groups['job'].rule}: a name stands for two things among its inputs, outputs and params")
    return {name: known[name] for name in inspect.signature(main).parameters if name in known}


def _plain(group: Any) -> dict[str, Any]:
    """Names of a group of Snakemake -> values; several files are a list."""
    return {name: value if isinstance(value, str | Mapping) or not hasattr(value, "items") else list(value)
            for name, value in group.items()}  # fmt: skip


def machine_fault(error: BaseException) -> str | None:
    """The one line for an error of disk, memory or permissions, which the user can mend; None for any other."""
    number = no_room(error)
    if number is not None:
        return f"{NO_ROOM[number]}: {error}; what is finished is kept: make room and run again"
    if isinstance(error, PermissionError):
        return f"no permission: {error}; expected files that this user ({os.getuid()}) can read and write"
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # torch's is a RuntimeError
        return f"out of memory: {str(error) or 'no more was given'}; what is finished is kept: run again with more"
    return None


def no_room(error: BaseException) -> int | None:
    """The error number when an error says that nothing can be written; libraries word it differently."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return error.errno
    text = str(error)
    if isinstance(error, OSError) and re.search(r"\d+ requested and \d+ written", text):  # numpy
        return errno.ENOSPC
    match = re.search(r"(?:os error|errno) (\d+)", text, re.IGNORECASE)  # safetensors, Arrow
    return int(match[1]) if match and int(match[1]) in NO_ROOM else None
