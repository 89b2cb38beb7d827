"""Running Snakemake from tests, in a copy of the workflow's files so that no test touches another's results."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Job:
    rule: str
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    reason: str = ""


@dataclass
class Result:
    status: int
    text: str

    @property
    def jobs(self) -> list[Job]:
        """The jobs of a dry run, read from what Snakemake prints."""
        found: list[Job] = []
        for line in self.text.splitlines():
            if match := re.match(r"^(?:local)?(?:rule|checkpoint) (\w+):$", line):
                found.append(Job(match.group(1)))
            elif found and (match := re.match(r"^    (input|output|reason): (.*)$", line)):
                if match.group(1) == "reason":
                    found[-1].reason = match.group(2)
                else:
                    setattr(found[-1], match.group(1) + "s", match.group(2).split(", "))
        return found

    @property
    def rules(self) -> dict[str, int]:
        """Rule -> number of jobs."""
        counts: dict[str, int] = {}
        for job in self.jobs:
            counts[job.rule] = counts.get(job.rule, 0) + 1
        return counts


class Workflow:
    """A folder with the workflow's files; the package is imported from `package`."""

    def __init__(self, folder: Path, package: Path = ROOT) -> None:
        self.folder, self.package = folder, package

    def snakemake(self, *arguments: str, timeout: int = 900) -> Result:
        environment = {**os.environ, "PYTHONPATH": str(self.package), "COLUMNS": "200"}
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, text=True, capture_output=True, timeout=timeout, check=False
        )
        return Result(done.returncode, done.stdout + done.stderr)


def copy_workflow(folder: Path, package: bool = False) -> Workflow:
    """The workflow's files in `folder`, without the messages of rules, so that dry runs list inputs and outputs."""
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("rules", "workflow_scripts", "configs", "profiles", "envs"):
        shutil.copytree(ROOT / name, folder / name)
    for path in (folder / "rules").glob("*.smk"):
        path.write_text(re.sub(r"^    message:\n(?:        .*\n)+", "", path.read_text(), flags=re.MULTILINE))
    if package:
        shutil.copytree(ROOT / "fernas", folder / "fernas", ignore=shutil.ignore_patterns("__pycache__"))
    return Workflow(folder, folder if package else ROOT)


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    return copy_workflow(tmp_path)
