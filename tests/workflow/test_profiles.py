"""The profiles are read, and the Kubernetes one drives jobs through a pretended kubectl that runs them here."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys

import pytest
import snakemake_executor_plugin_cluster_generic as cluster_generic
import snakemake_executor_plugin_slurm as slurm
import yaml

from tests.fixtures import pretended_kubectl
from tests.fixtures.study_outcome import wait_for
from tests.fixtures.workflow_folder import ROOT, Workflow, copy_workflow

PROFILES = sorted(path.parent.name for path in (ROOT / "profiles").glob("*/config.yaml"))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_short_commented_and_plans(profile, tmp_path):
    path = ROOT / "profiles" / profile / "config.yaml"
    text = path.read_text()
    assert text.startswith("#") and len(text.splitlines()) <= 30
    options = yaml.safe_load(text)
    assert options["keep-going"] and options["rerun-incomplete"]
    # the digests of the code among the params know better than the dates of scripts
    assert options["rerun-triggers"] == ["mtime", "params", "input"]
    workflow = copy_workflow(tmp_path)
    command = [sys.executable, "-m", "snakemake", "-n", "--profile", f"profiles/{profile}"]  # as documented: no --cores
    done = subprocess.run(
        [*command, "--configfile", "configs/tiny.yaml"],
        cwd=workflow.folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize("profile", PROFILES)
def test_options_of_an_executor_are_those_of_its_plugin(profile):
    """A misspelt one would be reported by Snakemake only where it is chosen; commented ones count too."""
    text = (ROOT / "profiles" / profile / "config.yaml").read_text()
    options = {**yaml.safe_load(text), **commented(text)}
    executor = options.get("executor")
    known = {"slurm": slurm.ExecutorSettings, "cluster-generic": cluster_generic.ExecutorSettings}.get(executor)
    assert executor is None or known is not None
    names = {f"{executor}-{field.name.replace('_', '-')}" for field in dataclasses.fields(known)} if known else set()
    given = {name for name in options if name.startswith(("slurm", "cluster-", "kubernetes-"))}
    assert given <= names, given - names
    assert not executor or given


def commented(text: str) -> dict[str, object]:
    """The options that a profile names in comments, `# name: value`."""
    found = re.findall(r"^# ((?:slurm|cluster|kubernetes)-[a-z-]+): *([^#\n]*)", text, re.M)
    return {name: value for name, value in found}


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Workflow:
    """A study below a shared folder, and the pretended kubectl first on the path."""
    folder = tmp_path / "shared" / "study"
    folder.mkdir(parents=True)
    pretended_kubectl.install(tmp_path / "kube", tmp_path / "shared", monkeypatch)
    return copy_workflow(folder)


@pytest.mark.slow
def test_kubernetes_runs_a_job_on_the_shared_volume(cluster, tmp_path):
    target = "results-tiny/rendered/smic/truth.json"
    result = cluster.snakemake(target, "--profile", "profiles/kubernetes", "--configfile", "configs/tiny.yaml")
    assert result.status == 0, result.text[-4000:]
    assert (cluster.folder / target).exists()
    (manifest,) = (tmp_path / "kube" / "pods").glob("*.yaml")
    job = yaml.safe_load(manifest.read_text())
    pod = job["spec"]["template"]["spec"]
    assert job["metadata"]["name"].startswith("fernas-synthesize-")
    assert pod["containers"][0]["resources"]["limits"] == {"memory": "1000Mi"}
    assert pod["containers"][0]["workingDir"] == str(cluster.folder)
    assert pod["terminationGracePeriodSeconds"] == 120 and pod["activeDeadlineSeconds"] == 3600


def submit(*arguments: str, study) -> subprocess.CompletedProcess:
    script = study / "profiles/kubernetes/submit.sh"
    return subprocess.run(["bash", script, *arguments], cwd=study, capture_output=True, text=True, check=False)


def test_a_job_that_asks_for_a_gpu(cluster, tmp_path):
    (cluster.folder / "job.sh").write_text("true\n")
    done = submit("search", "2", "3000", "60", "1", "out.json", "job.sh", study=cluster.folder)
    assert done.returncode == 0, done.stderr
    job = yaml.safe_load((tmp_path / "kube" / "pods" / f"{done.stdout.strip()}.yaml").read_text())
    asked = job["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert asked == {
        "requests": {"cpu": "2", "memory": "3000Mi"},
        "limits": {"memory": "3000Mi", "nvidia.com/gpu": 1},
    }


def test_two_jobs_never_make_the_same_files_at_once(cluster, tmp_path):
    """The second ends the first and waits for its pod; the first saves when it is told to end."""
    (cluster.folder / "one.sh").write_text(
        "trap 'sleep 1; echo saved >> said; exit 1' TERM\necho up >> said\nsleep 60 & wait\n"
    )
    (cluster.folder / "two.sh").write_text("echo second >> said\n")
    said = cluster.folder / "said"
    one = submit("search", "1", "100", "60", "0", "a.json b.json", "one.sh", study=cluster.folder)
    assert one.returncode == 0, one.stderr
    assert wait_for(said.exists, 30)
    two = submit("search", "1", "100", "60", "0", "a.json b.json", "two.sh", study=cluster.folder)
    assert two.returncode == 0 and two.stdout == one.stdout, two.stderr
    assert wait_for(lambda: "second" in said.read_text(), 30)
    assert said.read_text().split() == ["up", "saved", "second"]
    other = submit("search", "1", "100", "60", "0", "c.json", "two.sh", study=cluster.folder)
    assert other.stdout != one.stdout


def test_all_jobs_of_a_folder_are_cancelled_by_hand(cluster, tmp_path):
    (cluster.folder / "job.sh").write_text("touch up; sleep 60\n")
    submit("search", "1", "100", "60", "0", "a.json", "job.sh", study=cluster.folder)
    assert wait_for((cluster.folder / "up").exists, 30)
    elsewhere = cluster.folder / "other"
    elsewhere.mkdir()
    cancel = cluster.folder / "profiles/kubernetes/cancel.sh"
    pods = tmp_path / "kube" / "pods"
    subprocess.run([cancel, "--all"], cwd=elsewhere, check=True)
    assert len(list(pods.glob("*.yaml"))) == 1, "jobs of other folders are left alone"
    subprocess.run([cancel, "--all"], cwd=cluster.folder, check=True)
    assert not list(pods.glob("*.yaml")) and all(path.read_text() != "0" for path in pods.glob("*.status"))


def test_a_folder_outside_the_volume_is_refused_in_words(cluster, tmp_path):
    (tmp_path / "job.sh").write_text("true\n")
    done = submit("search", "1", "1000", "60", "0", "a.json", str(tmp_path / "job.sh"), study=cluster.folder)
    assert done.returncode == 2 and "is not below" in done.stderr


@pytest.mark.parametrize(
    ("job", "pod", "said"),
    [
        ("x/1/", "Succeeded", "success"),
        ("x//", "Running", "running"),
        ("x//", "", "running"),
        ("x//1", "Failed", "failed"),
        ("x//1", "Running", "running"),
        ("", "Running", "running"),
        ("", "Failed", "failed"),
        ("", "", "failed"),
        ("down", "", "running"),
        ("x//1", "down", "running"),
    ],
)
def test_states_of_a_job(job, pod, said, tmp_path, monkeypatch):
    """A failed or deleted job has ended when its pod has; an API server that is silent for a moment is no failure."""
    tool = tmp_path / "kubectl"
    answers = {
        kind: "exit 1" if told == "down" else f"printf %s '{told}'" for kind, told in (("job", job), ("pods", pod))
    }
    tool.write_text(f'#!/bin/bash\nif [ "$4" = job ]; then {answers["job"]}; else {answers["pods"]}; fi\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    script = ROOT / "profiles/kubernetes/status.sh"
    done = subprocess.run(["bash", script, "x"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
    assert shutil.which("kubectl") == str(tool)
