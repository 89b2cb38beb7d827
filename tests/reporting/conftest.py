"""Fixtures of the reporting tests."""

from pathlib import Path
from typing import Any

import pytest

from fernas.core.config import StudyConfig
from tests.reporting.fabricate import fabricate


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudyConfig]:
    """A made-up results folder (read only) and its study."""
    results = tmp_path_factory.mktemp("study") / "results"
    return results, fabricate(results)


@pytest.fixture
def own_tree(tmp_path: Path) -> tuple[Path, StudyConfig]:
    """A made-up results folder that a test may change, and its study."""
    return tmp_path / "results", fabricate(tmp_path / "results")


@pytest.fixture(scope="session", autouse=True)
def _stub_plugins() -> Any:  # TEMPORARY
    from types import SimpleNamespace as N

    from fernas.core import plugins

    real = plugins.load
    try:
        import fernas.evaluation.scores  # noqa: F401
    except ImportError:
        import sys

        sys.modules["fernas.evaluation"] = N()
        sys.modules["fernas.evaluation.scores"] = N(
            score_seeds=lambda frames, classes: {"interval": {"uar": [0.3, 0.9]}}
        )

    def load(kind: str, name: str) -> Any:
        if name in plugins.available(kind):
            return real(kind, name)
        if kind == "datasets":
            parts = ("casme2", "smic", "samm") if name == "megc2019" else ()
            return N(spec=N(parts=parts, subjects={"megc2019": 68, "ckplus": 118}.get(name)))
        return N(uses_data=name in ("darts_first", "random"))

    plugins.load = load
    yield
    plugins.load = real
