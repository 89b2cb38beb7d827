"""Stored predictions as class indices."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fernas.core.errors import DataError
from fernas.core.io import read_parquet
from fernas.reporting.stored import RunFiles


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


def pooled_predictions(run: RunFiles) -> PooledPredictions | None:
    """The predictions of all seeds of a run, or None where there are none."""
    frames = []
    for training in run.trainings:
        try:
            frames.append(read_parquet(training.folder / "predictions.parquet"))
        except DataError:
            continue
    frames = [frame for frame in frames if len(frame)]
    if not frames:
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
