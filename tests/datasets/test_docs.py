"""The generated pages are what the adapters say, and their yaml is a valid config section."""

import re
from pathlib import Path

import pytest
import yaml

from fernas.core import plugins
from fernas.core.config import TaskConfig
from fernas.datasets.docs import pages

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "datasets"


def test_pages_are_in_sync():
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    expected = pages()
    assert sorted(found) == sorted(expected)
    stale = [name for name in expected if found[name] != expected[name]]
    assert not stale, f"run: python -m fernas.datasets.docs docs/datasets ({', '.join(stale)} differ)"


@pytest.mark.parametrize("name", [name for name in pages() if name != "README.md"])
def test_tasks_on_the_pages_are_valid_config(name):
    for block in re.findall(r"## Tasks.*?```yaml\n(.*?)```", pages()[name], re.DOTALL):
        for title, task in yaml.safe_load(block).items():
            assert TaskConfig(**task).dataset == name.removesuffix(".md") and title


def test_two_datasets_that_share_subjects_name_each_other():
    texts = pages()
    for one in plugins.available("datasets"):
        for other in plugins.load("datasets", one).spec.same_people_as:
            for name, relative in ((one, other), (other, one)):
                line = next(
                    line for line in texts[f"{name}.md"].split("\n") if line.startswith("| shares subjects with")
                )
                assert f"[{relative}]({relative}.md)" in line


def test_links_between_pages_lead_somewhere():
    texts = pages()
    for name, text in texts.items():
        for target in re.findall(r"\]\(([^)]+\.md)\)", text):
            assert target in texts or (FOLDER / target).is_file(), (name, target)
