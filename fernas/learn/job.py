"""A long job of learning, from files to files: what a search, a training and a final model do alike.

`run_job` owns everything around the work itself:

1. `status.json` says `running`, and the files that grow during the job are empty.
2. The work runs. It saves to `JobTools.checkpoint`, so that the same call after a kill continues it.
3. It ends in one of three ways. `ok`: all outputs are there and the checkpoint is removed. `failed`: a failure of
   science (NaN, a broken contract, no memory) leaves its reason in the status and empty outputs, which the rules that
   follow understand. `killed`: a signal came; the state is saved, and `Interrupted` is raised.

Errors of the configuration, of the disk and of the code are none of these: they are raised, as is a second Ctrl-C, and
the status says `killed` with their text.
"""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fernas.core import interrupt
from fernas.core.checkpoint import CheckpointStore
from fernas.core.errors import ContractError, ScienceError
from fernas.core.io import read_json, write_bytes, write_text
from fernas.core.run_log import RunLog

if TYPE_CHECKING:
    from fernas.learn.arrays import Inputs

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobInputs:
    """Which files a job reads, where it writes, and how it runs.

    Attributes:
        inputs: the view's array (inputs.npy).
        table: its table (inputs.parquet).
        folds: the protocol's train splits (folds.train.json); test ids are in another file.
        out_dir: where the outputs go.
        work_dir: where checkpoints go.
        run_key: the job's own folder there; another key never continues its checkpoint.
        seed: base seed; streams are derived from it by name.
        threads: torch threads.
        device: `auto`, `cpu` or `cuda`.
        every_s: longest time between two checkpoints, seconds.
        info: entries of the status beside the runner's own (parameters for tracking).
    """

    inputs: Path
    table: Path
    folds: Path
    out_dir: Path
    work_dir: Path
    run_key: str
    seed: int
    threads: int = 1
    device: str = "cpu"
    every_s: float = 60.0
    info: dict[str, Any] = field(default_factory=dict)

    def read_folds(self) -> dict[str, Any]:
        """The document of the train splits."""
        document: dict[str, Any] = read_json(self.folds)
        return document

    def read_inputs(self, classes: list[str]) -> "Inputs":
        """The images, memory-mapped, and their table."""
        from fernas.learn.arrays import Inputs

        return Inputs.read(self.inputs, self.table, classes)


@dataclass(frozen=True)
class JobKind:
    """Names of a kind of job and of the files that it writes beside status.json and metrics.jsonl.

    Attributes:
        name: for messages: "search", "training".
        history: the json-lines file that grows with the job; a failed job keeps its rows.
        outputs: the files that are empty when the job failed.
    """

    name: str
    history: str
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class JobTools:
    """What `run_job` hands to the work: the run's log, its checkpoint, and the path of its history."""

    log: RunLog
    checkpoint: CheckpointStore
    history_path: Path


def run_job(kind: JobKind, job: JobInputs, info: dict[str, Any], work: Callable[[JobTools], dict[str, Any]]) -> str:
    """Run `work` between the start and the end of a job; see the module's text for the three ways to end.

    Args:
        kind: names of its files.
        job: its inputs.
        info: what the status says of it beside `job.info`.
        work: does the job and writes its outputs; returns further entries of the final status.

    Returns:
        The status: ok or failed.

    Raises:
        Interrupted: SIGTERM, SIGUSR1 or Ctrl-C came; the state is saved.
    """
    log = RunLog(job.out_dir)
    store = CheckpointStore(job.work_dir, job.run_key, job.every_s)
    try:
        # Signals wait from here on until the work saves; one that comes after its last save has nothing left to save.
        with interrupt.graceful():
            log.start({"run_key": job.run_key, "seed": job.seed, **info, **job.info})
            for name in (kind.history, "metrics.jsonl"):
                write_text(job.out_dir / name, "")
            extra = work(JobTools(log, store, job.out_dir / kind.history))
    except interrupt.Interrupted as stop:
        log.finish("killed", str(stop))
        raise
    except (ScienceError, ContractError) as error:
        return _failed(kind, job, log, str(error))
    except BaseException as error:
        # torch reports a lack of memory as a RuntimeError, like many errors of the code
        if isinstance(error, RuntimeError | MemoryError):
            from fernas.learn.runtime import is_out_of_memory

            if is_out_of_memory(error):
                return _failed(kind, job, log, f"out of memory: {error}")
        with contextlib.suppress(OSError):  # a full disk; the error itself is the message
            log.finish("killed", f"{type(error).__name__}: {error}")
        raise
    log.finish("ok", **extra)
    # after the status: a job that is killed between the two still has its checkpoint
    store.clear()
    return "ok"


def _failed(kind: JobKind, job: JobInputs, log: RunLog, reason: str) -> str:
    logger.error("%s failed: %s", kind.name, reason)
    for name in kind.outputs:
        write_bytes(job.out_dir / name, b"")
    # the status last: whoever reads `failed` finds the empty outputs
    log.finish("failed", reason)
    return "failed"
