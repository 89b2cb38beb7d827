"""The profiles are read, and the Kubernetes one drives jobs through a pretended kubectl that runs them here."""

import os
import shutil
import stat
import subprocess
import sys

import pytest
import yaml

from tests.workflow.conftest import ROOT, Workflow, copy_workflow

PROFILES = sorted(path.parent.name for path in (ROOT / "profiles").glob("*/config.yaml"))
KUBECTL = """#!{python}
# As much of kubectl as the profile uses: jobs are processes of this machine, their manifests are kept.
import os, subprocess, sys
from pathlib import Path
import yaml
store = Path(os.environ["PRETENDED"])
words = [word for word in sys.argv[1:] if not word.startswith("--")][1:]
if words[0] == "create":
    job = yaml.safe_load(sys.stdin)
    name = job["metadata"]["name"]
    pod = job["spec"]["template"]["spec"]["containers"][0]
    (store / f"{{name}}.yaml").write_text(yaml.safe_dump(job))
    log = open(store / f"{{name}}.log", "w")
    code = f"import subprocess, sys; s = subprocess.call({{pod['command']!r}}, cwd={{pod['workingDir']!r}}); " \\
           f"open({{str(store / name)!r}}, 'w').write(str(s))"
    subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log, start_new_session=True)
    print(f"job.batch/{{name}} created")
elif words[:2] == ["get", "job"]:
    ended = store / words[2]
    if not (store / f"{{words[2]}}.yaml").exists():
        sys.exit(1)
    text = ended.read_text() if ended.exists() else ""
    print({{"": "/", "0": "1/"}}.get(text, "/1"), end="")
"""


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_short_commented_and_plans(profile, tmp_path):
    path = ROOT / "profiles" / profile / "config.yaml"
    text = path.read_text()
    assert text.startswith("#") and len(text.splitlines()) <= 30
    options = yaml.safe_load(text)
    assert options["keep-going"] and options["rerun-incomplete"]
    workflow = copy_workflow(tmp_path)
    result = workflow.snakemake("-n", "--profile", f"profiles/{profile}", "--configfile", "configs/tiny.yaml")
    assert result.status == 0, result.text[-3000:]


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Workflow:
    """A study below a shared folder, and the pretended kubectl first on the path."""
    tool = tmp_path / "bin" / "kubectl"
    tool.parent.mkdir()
    tool.write_text(KUBECTL.format(python=sys.executable))
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "store").mkdir()
    folder = tmp_path / "shared" / "study"
    folder.mkdir(parents=True)
    env = (ROOT / "profiles/kubernetes/cluster.env").read_text().replace("/shared ", f"{tmp_path}/shared ")
    (tmp_path / "cluster.env").write_text(env)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PRETENDED", str(tmp_path / "store"))
    monkeypatch.setenv("FERNAS_CLUSTER_ENV", str(tmp_path / "cluster.env"))
    return copy_workflow(folder)


@pytest.mark.slow
def test_kubernetes_runs_a_job_on_the_shared_volume(cluster, tmp_path):
    target = "results-tiny/rendered/smic/truth.json"
    result = cluster.snakemake(target, "--profile", "profiles/kubernetes", "--configfile", "configs/tiny.yaml")
    assert result.status == 0, result.text[-4000:]
    assert (cluster.folder / target).exists()
    (manifest,) = (tmp_path / "store").glob("*.yaml")
    job = yaml.safe_load(manifest.read_text())
    pod = job["spec"]["template"]["spec"]
    assert job["metadata"]["name"].startswith("fernas-synthesize-")
    assert pod["containers"][0]["resources"]["limits"] == {"memory": "1000Mi"}
    assert pod["containers"][0]["workingDir"] == str(cluster.folder)
    assert pod["terminationGracePeriodSeconds"] == 120 and job["spec"]["activeDeadlineSeconds"] == 3600


def submit(*arguments: str, cwd) -> subprocess.CompletedProcess:
    script = ROOT / "profiles/kubernetes/submit.sh"
    return subprocess.run(["bash", script, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_a_job_that_asks_for_a_gpu(cluster, tmp_path):
    script = cluster.folder / "job.sh"
    script.write_text("true\n")
    done = submit("search", "2", "3000", "60", "1", "job.sh", cwd=cluster.folder)
    assert done.returncode == 0, done.stderr
    job = yaml.safe_load((tmp_path / "store" / f"{done.stdout.strip()}.yaml").read_text())
    asked = job["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert asked == {
        "requests": {"cpu": "2", "memory": "3000Mi"},
        "limits": {"memory": "3000Mi", "nvidia.com/gpu": 1},
    }


def test_a_folder_outside_the_volume_is_refused_in_words(cluster, tmp_path):
    (tmp_path / "job.sh").write_text("true\n")
    done = submit("search", "1", "1000", "60", "0", "job.sh", cwd=tmp_path)
    assert done.returncode == 2 and "is not below" in done.stderr


@pytest.mark.parametrize(
    ("told", "said"), [("1/", "success"), ("/", "running"), ("/1", "failed"), (None, "failed"), ("down", "running")]
)
def test_states_of_a_job(told, said, tmp_path, monkeypatch):
    """Succeeded, running, failed, gone; and an API server that does not answer for a moment is no failure."""
    tool = tmp_path / "kubectl"
    answer = {None: '[ "$4" = job ] && exit 1; exit 0', "down": "exit 1"}.get(told, f"printf %s '{told}'")
    tool.write_text(f"#!/bin/bash\n{answer}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    script = ROOT / "profiles/kubernetes/status.sh"
    done = subprocess.run(["bash", script, "x"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
    assert shutil.which("kubectl") == str(tool)
