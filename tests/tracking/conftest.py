"""Fixtures of the reporting tests."""

from pathlib import Path

import pytest

from fernas.core.config import StudyConfig
from tests.fabricate import fabricate


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudyConfig]:
    """A made-up results folder (read only) and its study."""
    results = tmp_path_factory.mktemp("study") / "results"
    return results, fabricate(results)


@pytest.fixture
def own_tree(tmp_path: Path) -> tuple[Path, StudyConfig]:
    """A made-up results folder that a test may change, and its study."""
    return tmp_path / "results", fabricate(tmp_path / "results")
