"""configs/tiny.yaml through profiles/slurm on a real Slurm of one node, undisturbed and disturbed.

Needs Debian's slurm-wlm and munge (`tools/slurm_node.sh install` as root); never part of `make test`.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
import yaml

from tests.fixtures.study_outcome import differences, kill_tree, outcome, start, store_problems, wait_for
from tests.fixtures.workflow_folder import ROOT, Workflow, copy_workflow

MISSING = [t for t in ("slurmctld", "slurmd", "munged") if not shutil.which(t, path=f"{os.environ['PATH']}:/usr/sbin")]
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)}: tools/slurm_node.sh install (root, Debian)"),
]
TOOL = ROOT / "tools" / "slurm_node.sh"
TINY = ("--configfile", "configs/tiny.yaml")
SLURM = (
    *("--profile", "profiles/slurm", "--slurm-no-account", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "2"),
)
RUN = "runs/ckplus-3-rendered/subject2/emonas/per_group/s0"
SCORES = f"results-tiny/{RUN}/t0/scores.json"


@pytest.fixture(scope="module")
def node():
    """A Slurm of one node with one processor, torn down at the end."""
    folder = Path(tempfile.mkdtemp(prefix="fernas-slurm-"))
    done = subprocess.run(["bash", TOOL, "start", folder, "1"], capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(folder)
        pytest.skip(f"Slurm does not start here: {done.stderr[-300:]}")
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}/bin{os.pathsep}{before}"
    yield folder
    os.environ["PATH"] = before
    subprocess.run(["bash", TOOL, "stop", folder], check=True)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Workflow:
    """The tiny study as it ends on this machine without Slurm (FERNAS_TINY: one that has run already)."""
    given = os.environ.get("FERNAS_TINY")
    if given:
        return Workflow(Path(given), Path(given))
    workflow = copy_workflow(tmp_path_factory.mktemp("local"), package=True)
    result = workflow.snakemake(*TINY)
    assert result.status == 0, result.text[-5000:]
    return workflow


def through_slurm(workflow: Workflow, *targets: str, timeout: int = 1500) -> str:
    """Run targets through the profile; what Snakemake said."""
    environment = {**os.environ, "PYTHONPATH": str(workflow.package), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *targets, *SLURM, *TINY],
        cwd=workflow.folder, env=environment, text=True, capture_output=True, timeout=timeout, check=False,
    )  # fmt: skip
    (workflow.folder / "out.txt").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout + done.stderr


def test_only_local_ports_are_open(node):
    names = {"slurmctld", "slurmd", "munged"}
    ours = [p for p in psutil.process_iter(["name"]) if p.info["name"] in names]
    ports = [c.laddr.ip for p in ours for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert len(ours) >= 3 and ports and set(ports) == {"127.0.0.1"}


def test_the_tiny_study_through_slurm_ends_as_locally_bit_for_bit(node, local, tmp_path):
    workflow = copy_workflow(tmp_path, package=True)
    text = through_slurm(workflow)
    jobs = len(re.findall(r"has been submitted with SLURM jobid", text))
    assert jobs > 30, text[-3000:]
    mine, expected = (outcome(w.folder / "results-tiny") for w in (workflow, local))
    assert differences(mine, expected) == [] and len(mine) > 60
    assert store_problems(workflow.folder / "results-tiny") == []


@pytest.fixture
def long(local, tmp_path) -> tuple[Workflow, dict[str, str]]:
    """The tiny study with emonas' search long enough to be disturbed, and how it ends undisturbed.

    The undisturbed outcome is computed locally once per session of tests, beside the finished study.
    """
    reference = local.folder.with_name(local.folder.name + "-long")
    if not reference.exists():
        copy = local.folder.with_name(local.folder.name + "-long-partial")
        shutil.copytree(local.folder, copy, symlinks=True)
        lengthen(copy)
        result = Workflow(copy, copy).snakemake(*TINY)
        assert result.status == 0, result.text[-5000:]
        copy.rename(reference)
    folder = tmp_path / "study"
    shutil.copytree(reference, folder, symlinks=True)
    results = folder / "results-tiny"
    expected = outcome(results)
    shutil.rmtree(results / RUN)
    (results / "comparison.csv").unlink()
    return Workflow(folder, folder), expected


def lengthen(folder: Path) -> None:
    path = folder / "configs" / "tiny.yaml"
    document = yaml.safe_load(path.read_text())
    document["methods"]["emonas"]["search_options"]["epochs"] = 60
    path.write_text(yaml.safe_dump(document))


def head(workflow: Workflow, *more: str) -> subprocess.Popen:
    return start(workflow.folder, "results-tiny/comparison.csv", *SLURM, *more, *TINY)


def search_is_under_way(workflow: Workflow, process: subprocess.Popen, group: int = 0) -> bool:
    """Wait until the search of a group has done some epochs."""
    rows = workflow.folder / "results-tiny" / RUN / f"g{group}" / "search.jsonl"
    found = wait_for(lambda: rows.exists() and rows.read_text().count("\n") >= 4, 240, process)
    assert found, (workflow.folder / "out.txt").read_text()[-4000:]
    return True


def squeue(*arguments: str) -> list[str]:
    done = subprocess.run(["squeue", "-h", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.split()


def ends_the_same(workflow: Workflow, expected: dict[str, str], process: subprocess.Popen) -> str:
    """What Snakemake said, the logs of failed jobs among it, once the study has ended as it does undisturbed."""
    try:
        status = process.wait(600)
    finally:
        kill_tree(process)
    text = (workflow.folder / "out.txt").read_text()
    assert status == 0, text[-6000:]
    results = workflow.folder / "results-tiny"
    assert differences(outcome(results), expected) == []
    assert store_problems(results) == []
    return text


def continued(workflow: Workflow) -> bool:
    """Whether the last try of the search (each has a log of its own) began where another one had saved."""
    log = workflow.folder / "results-tiny/logs/search/ckplus-3-rendered/subject2/emonas-per_group-s0-g0.log"
    return "continuing from" in log.read_text()


def test_a_cancelled_job_is_continued_by_the_retry(node, long):
    workflow, expected = long
    process = head(workflow)
    search_is_under_way(workflow, process)
    (job,) = squeue("-t", "R", "-o", "%i")
    subprocess.run(["scancel", job], check=True)
    text = ends_the_same(workflow, expected, process)
    assert "SIGTERM: saving and ending" in text and continued(workflow)


def test_a_time_limit_is_continued_by_the_retry(node, long):
    """The shortest limit of Slurm is a minute: the search is made to sleep, so that it reaches it."""
    workflow, expected = long
    process = head(workflow)
    search_is_under_way(workflow, process)
    (job,) = squeue("-t", "R", "-o", "%i")
    subprocess.run(["scontrol", "update", f"JobId={job}", "TimeLimit=1"], check=True)
    scripts = [p for p in psutil.process_iter(["cmdline"]) if _is_search_of(p, workflow.folder)]
    assert scripts
    for script in scripts:
        script.suspend()  # Slurm wakes it before it tells it to end
    text = ends_the_same(workflow, expected, process)
    state = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=False).stdout
    assert "JobState=TIMEOUT" in state
    assert "SIGTERM: saving and ending" in text and continued(workflow)


def _is_search_of(process: psutil.Process, folder: Path) -> bool:
    with contextlib.suppress(psutil.Error):
        words = process.info["cmdline"] or []
        return (
            any(word.endswith(".search.py") for word in words) and "python" in words[0] and process.cwd() == str(folder)
        )
    return False


def test_a_node_that_is_drained_and_resumed_only_waits(node, long):
    workflow, expected = long
    process = head(workflow)
    search_is_under_way(workflow, process)
    name = squeue("-t", "R", "-o", "%N")[0]
    subprocess.run(["scontrol", "update", f"NodeName={name}", "State=DRAIN", "Reason=test"], check=True)
    assert wait_for(lambda: not squeue("-t", "R") and squeue("-t", "PD"), 240, process), "the next job waits"
    time.sleep(3)
    assert process.poll() is None
    subprocess.run(["scontrol", "update", f"NodeName={name}", "State=RESUME"], check=True)
    ends_the_same(workflow, expected, process)


def test_a_head_process_that_is_killed_and_started_again(node, long):
    """The jobs of the first one run on; those of the second take over or wait, and nothing is lost."""
    workflow, expected = long
    process = head(workflow)
    search_is_under_way(workflow, process)
    kill_tree(process)
    assert squeue("-t", "R"), "the job runs on without its head"
    again = head(workflow)
    text = ends_the_same(workflow, expected, again)
    assert "cleared the lock of a Snakemake that is gone" in text


def test_a_job_whose_processes_are_killed(node, long):
    """What a crash of its node looks like: SIGKILL to all processes of the jobs, nothing is told or saved."""
    workflow, expected = long
    process = head(workflow)
    search_is_under_way(workflow, process)
    victims = [p for p in psutil.process_iter(["cmdline"]) if _is_of_a_job(p, workflow.folder)]
    assert any(_is_search_of(p, workflow.folder) for p in victims) and len(victims) >= 3
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    text = ends_the_same(workflow, expected, process)
    assert "SIGTERM" not in text and continued(workflow)


def _is_of_a_job(process: psutil.Process, folder: Path) -> bool:
    """A Snakemake that Slurm has started in a folder, or what that one has started."""
    with contextlib.suppress(psutil.Error):
        words = process.info["cmdline"] or []
        inner = "--target-jobs" in words or any(word.endswith(".search.py") for word in words)
        return inner and process.cwd() == str(folder)
    return False
