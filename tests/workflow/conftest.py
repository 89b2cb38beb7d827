from pathlib import Path

import pytest

from tests.fixtures.workflow_folder import Workflow, copy_workflow


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """A folder with the workflow's files, for one test."""
    return copy_workflow(tmp_path)
