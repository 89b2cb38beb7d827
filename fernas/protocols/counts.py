"""What a protocol counts its folds with before any sample is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Counts:
    """How many samples a task has, before any is read: all that the number of folds depends on beside the options.

    Attributes:
        units: number of subjects; of sequences in datasets without subjects.
        datasets: dataset -> number of samples.
        splits: official split -> number of samples; empty where there is none.
    """

    units: int
    datasets: Mapping[str, int]
    splits: Mapping[str, int] = field(default_factory=dict)
