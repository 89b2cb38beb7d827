"""Stored predictions as class indices."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fernas.core.errors import DataError
from fernas.core.io import read_parquet
from fernas.reporting.stored import RunFiles, number

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PooledPredictions:
    """The predictions of a method run, all seeds below each other.

    Attributes:
        classes: class names.
        frame: the tables of predictions.
        truth: class indices (N,).
        guess: predicted class indices (N,).
    """

    classes: list[str]
    frame: pd.DataFrame
    truth: np.ndarray
    guess: np.ndarray


def run_predictions(run: RunFiles) -> list[pd.DataFrame]:
    """The predictions of all finished repetitions of a run."""
    frames = []
    for training, scores in zip(run.trainings, run.scores, strict=True):
        if number(scores, "uar") is None:
            continue
        try:
            frames.append(read_parquet(training.folder / "predictions.parquet"))
        except DataError as error:
            logger.warning("left out of the tables: %s", error)
    return [frame for frame in frames if len(frame)]


def pooled_predictions(run: RunFiles) -> PooledPredictions | None:
    """The predictions of all seeds of a run, or None where there are none."""
    if not (frames := run_predictions(run)):
        return None
    frame = pd.concat(frames, ignore_index=True)
    truth, guess, classes = class_indices(frame)
    return PooledPredictions(classes, frame, truth, guess)


def class_indices(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(true class indices (N,), predicted ones (N,), class names) of a table of predictions."""
    columns = [column for column in frame.columns if column.startswith("p_")]
    classes = [column.removeprefix("p_") for column in columns]
    index = {name: position for position, name in enumerate(classes)}
    return frame["label"].map(index).to_numpy(dtype=np.int64), frame[columns].to_numpy().argmax(1), classes
