"""Checkpoints of long jobs, outside the declared outputs (Snakemake removes those before a job and when it fails)."""

import hashlib
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from fernas.core.io import atomic_path

logger = logging.getLogger(__name__)
HEAD = b"fernas checkpoint sha256 "


class CheckpointStore:
    """One checkpoint file under `folder`/`run_key`; a checkpoint of another key is never read.

    Args:
        folder: the root of checkpoints (`results/.work`).
        run_key: the key of the job; part of the path.
        every_s: `due()` is true when this many seconds have passed since the last save.
    """

    def __init__(self, folder: Path | str, run_key: str, every_s: float = 60.0) -> None:
        # the key holds all that decides the job: after a change the old checkpoint is not found
        self.folder = Path(folder) / run_key
        self.path = self.folder / "checkpoint.pt"
        self.every_s = every_s
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self._last >= self.every_s

    def save(self, state: dict[str, Any]) -> None:
        """Write the state (tensors, containers, numbers, strings) atomically, its digest before it."""
        import io

        import torch

        buffer = io.BytesIO()  # a full disk is an OSError of ours then, not an error of torch's writer
        torch.save(state, buffer)
        data = buffer.getbuffer()  # not copied: the state of a large network takes gigabytes
        with atomic_path(self.path) as temporary, open(temporary, "wb") as file:
            file.write(HEAD + hashlib.sha256(data).hexdigest().encode() + b"\n")
            file.write(data)
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The last state, or None; a truncated or corrupted file is reported and treated as absent."""
        import io
        import pickle

        import torch

        if not self.path.exists():
            return None
        try:
            # weights_only: a checkpoint is data, it must not be able to run code
            state = torch.load(io.BytesIO(self._data()), map_location="cpu", weights_only=True)
        except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            logger.warning("%s: unreadable checkpoint (%s); starting from the beginning", self.path, reason)
            return None
        if not isinstance(state, dict):
            logger.warning("%s: not a checkpoint (%s); starting from the beginning", self.path, type(state).__name__)
            return None
        logger.info("continuing from %s", self.path)
        return state

    def _data(self) -> bytes:
        """The bytes behind the digest, which must be theirs."""
        head, _, data = self.path.read_bytes().partition(b"\n")
        if head != HEAD + hashlib.sha256(data).hexdigest().encode():
            raise ValueError("cut or changed: its digest is another one")
        return data

    def clear(self) -> None:
        """Remove the checkpoint and its folder (after the job's outputs are complete)."""
        shutil.rmtree(self.folder, ignore_errors=True)
