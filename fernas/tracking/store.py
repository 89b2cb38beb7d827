"""What the mirror gives to a store of runs and knows about it; `_mlflow.Store` is the store. Imports no mlflow."""

from dataclasses import dataclass, field


class StoreError(Exception):
    """The store is dead, missing or refuses a call; the mirror warns and tries again later."""


@dataclass
class StoredRun:
    """What the mirror needs to know about a run in the store."""

    run_id: str
    status: str
    tags: dict[str, str]
    params: dict[str, str]

    @property
    def is_open(self) -> bool:
        """Whether the store shows it as not ended."""
        return self.status in ("RUNNING", "SCHEDULED")


@dataclass(frozen=True)
class Point:
    """One value of a metric of a run."""

    name: str
    value: float
    time_ms: int
    step: int = 0


@dataclass
class Change:
    """What is to be added to a run."""

    points: list[Point] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
