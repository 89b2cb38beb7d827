"""The per-epoch record of a job, kept in its checkpoints and on disk, so that a resumed job's files are whole."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fernas.core import interrupt
from fernas.core.checkpoint import CheckpointStore
from fernas.core.io import append_jsonl, atomic_path
from fernas.core.run_log import RunLog

SAVE_SHARE = 0.05  # of the time that saving may take before the store's own interval is over


class History:
    """Rows of a json-lines file; numbers in `metrics` of a row go to the run log too."""

    def __init__(self, path: Path | str, log: RunLog | None = None) -> None:
        self.path, self.log = Path(path), log
        self.rows: list[dict[str, Any]] = []
        self._metrics: list[dict[str, Any]] = []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # empty at the start: `load` writes the rows of a checkpoint anew
        self.path.write_bytes(b"")
        if log is not None:
            (log.folder / "metrics.jsonl").write_bytes(b"")

    def add(self, row: dict[str, Any], **metrics: float | str | None) -> None:
        """Append a row, and its metrics (those that are not None) to the run log with the row's number as step.

        A text among the metrics (`phase`) names the part of the job that its curves belong to.
        """
        self.rows.append(row)
        append_jsonl(self.path, row)
        if self.log is not None:
            entry = {name: value for name, value in metrics.items() if value is not None}
            step = len(self._metrics)
            self._metrics.append({"step": step, "time": time.time(), **entry})
            self.log.metric(step, **entry)

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs."""
        return {"rows": list(self.rows), "metrics": list(self._metrics)}

    def load(self, state: dict[str, Any]) -> None:
        """Take over the rows of a checkpoint and write the files anew; rows after the checkpoint are repeated later."""
        self.rows, self._metrics = list(state["rows"]), list(state["metrics"])
        _rewrite(self.path, self.rows)
        if self.log is not None:
            _rewrite(self.log.folder / "metrics.jsonl", self._metrics)


def _rewrite(path: Path, rows: list[dict[str, Any]]) -> None:
    with atomic_path(path) as temporary:
        for row in rows:
            append_jsonl(temporary, row)


def rows_of_chosen_rates(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a training history without those of rejected learning rates; a fold that still chooses keeps all."""
    chosen = {row["fold"]: row["lr"] for row in rows if row.get("kind") == "rates"}
    return [row for row in rows if row.get("lr_choice") in (None, chosen.get(row.get("fold"), row.get("lr_choice")))]


class Snapshots:
    """When and how a job saves: often while saving is cheap, at least at the store's interval.

    A save is due when the store says so, or when saving again would keep its share of the time below 5 %.
    """

    def __init__(self, store: CheckpointStore | None, common: Callable[[], dict[str, Any]] | None = None) -> None:
        """`common` gives the state that belongs in every checkpoint (history, seconds, budget)."""
        self.store, self.common = store, common or dict
        self._last, self._took = time.monotonic(), 0.0

    def load(self) -> dict[str, Any] | None:
        """The last checkpoint, or None."""
        return self.store.load() if self.store is not None else None

    def due(self) -> bool:
        """Whether to save now."""
        if self.store is None:
            return False
        # Saving takes seconds for a large network and milliseconds for a small one: the interval follows what it took.
        often = time.monotonic() - self._last >= self._took / SAVE_SHARE
        return often or self.store.due() or interrupt.requested()

    def due_within(self) -> bool:
        """Whether to save in the middle of an epoch: the store's interval is over, or a signal asks the job to end."""
        return self.store is not None and (self.store.due() or interrupt.requested())

    def save(self, state: dict[str, Any]) -> None:
        """Save the common state and `state`, then end the job if a signal has asked for it.

        Raises:
            Interrupted: after saving, when a signal has come.
        """
        if self.store is None:
            return
        start = time.monotonic()
        self.store.save({**self.common(), **state})
        self._last = time.monotonic()
        self._took = self._last - start
        interrupt.check()  # only here: a job ends where everything is saved

    def nested(self, outer: dict[str, Any], key: str) -> "Snapshots":
        """Snapshots of an inner job: its state is saved under `key` beside `outer`, at the same rhythm.

        A value of `outer` that is a function is called when it is saved.
        """
        return _Nested(self, outer, key)


class _Nested(Snapshots):
    def __init__(self, parent: Snapshots, outer: dict[str, Any], key: str) -> None:
        super().__init__(None)
        self.parent, self.outer, self.key = parent, outer, key

    def load(self) -> dict[str, Any] | None:
        raise RuntimeError("an inner job is given its state by the outer one")

    def due(self) -> bool:
        return self.parent.due()

    def due_within(self) -> bool:
        return self.parent.due_within()

    def save(self, state: dict[str, Any]) -> None:
        outer = {name: value() if callable(value) else value for name, value in self.outer.items()}
        self.parent.save({**outer, self.key: state})
