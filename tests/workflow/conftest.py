from pathlib import Path

import pytest

from tests.fixtures.workflow_folder import TINY, Workflow, copy_workflow


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """A folder with the workflow's files, for one test."""
    return copy_workflow(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A folder in which the tiny study has run; tests that change it work on a copy."""
    workflow = copy_workflow(tmp_path_factory.mktemp("tiny"), package=True)
    result = workflow.snakemake(*TINY)
    assert result.status == 0, result.text[-8000:]
    return workflow
