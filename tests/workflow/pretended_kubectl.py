"""As much of kubectl as profiles/kubernetes uses: the pods are processes of this machine, their manifests are kept.

A pod runs in a process namespace of its own where that is allowed, so that its first process is number 1 there and, as
in a cluster, is not ended by a SIGTERM that it does not handle. Run as a program, this file is that kubectl.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def namespaces() -> bool:
    """Whether processes of this user may have a namespace of their own."""
    return not subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode


def install(folder: Path, mount: Path, monkeypatch) -> Path:
    """Put this kubectl first on the path, with `mount` as the shared volume; the folder of its pods."""
    store = folder / "pods"
    store.mkdir(parents=True)
    tool = folder / "bin" / "kubectl"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nPRETENDED={store} exec {sys.executable} {__file__} "$@"\n')
    tool.chmod(0o755)
    settings = (ROOT / "profiles/kubernetes/cluster.env").read_text().replace("MOUNT=/shared ", f"MOUNT={mount} ")
    (folder / "cluster.env").write_text(settings)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FERNAS_CLUSTER_ENV", str(folder / "cluster.env"))
    return store


class Pod:
    """What is known of the pod of one job: its manifest, its runner's number, its exit status once it has ended."""

    def __init__(self, store: Path, name: str) -> None:
        self.store, self.name = store, name
        self.job, self.status, self.number = (store / f"{name}.{end}" for end in ("yaml", "status", "number"))

    @property
    def manifest(self) -> dict:
        return yaml.safe_load(self.job.read_text())

    def phase(self) -> str:
        if not self.number.exists():
            return ""
        if not self.status.exists():
            return "Running"
        return "Succeeded" if self.status.read_text() == "0" else "Failed"

    def run(self) -> None:
        """The pod's life, in a process that outlives the caller."""
        spec = self.manifest["spec"]["template"]["spec"]["containers"][0]
        prefix = NAMESPACE if namespaces() else ()
        with open(self.store / f"{self.name}.log", "ab") as log:
            process = subprocess.Popen(
                [*prefix, *spec["command"]], cwd=spec["workingDir"], stdout=log, stderr=log, start_new_session=True
            )
            self.number.write_text(str(process.pid))
            status = process.wait()
        self.status.write_text(str(status))

    def first(self) -> int:
        """The number, as seen from outside, of the process that is the first one within."""
        number = int(self.number.read_text())
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split() if namespaces() else []
        return int(children[0]) if children else number

    def end(self) -> None:
        """SIGTERM to the first process alone, SIGKILL when the grace period is over."""
        grace = self.manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(self.first(), signal.SIGTERM)
        end = time.monotonic() + grace
        while self.phase() == "Running" and time.monotonic() < end:
            time.sleep(0.1)
        if self.phase() == "Running":
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(self.first(), signal.SIGKILL)


def detached(store: Path, *words: str) -> None:
    subprocess.Popen(
        [sys.executable, __file__, *words], env={**os.environ, "PRETENDED": str(store)}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def create(store: Path) -> int:
    job = yaml.safe_load(sys.stdin)
    pod = Pod(store, job["metadata"]["name"])
    if pod.job.exists():
        sys.stderr.write(f'Error from server (AlreadyExists): jobs.batch "{pod.name}" already exists\n')
        return 1
    for path in (pod.status, pod.number):
        path.unlink(missing_ok=True)
    pod.job.write_text(yaml.safe_dump(job))
    detached(store, "run-pod", pod.name)
    print(f"job.batch/{pod.name} created")
    return 0


def delete(store: Path, names: list[str], wait: bool) -> int:
    pods = [pod for pod in (Pod(store, name) for name in names) if pod.job.exists()]
    for pod in pods:
        detached(store, "end-pod", pod.name)
    while wait and any(pod.job.exists() for pod in pods):
        time.sleep(0.1)
    return 0


def get(store: Path, kind: str, name: str) -> int:
    pod = Pod(store, name)
    if kind == "pods":
        print(pod.phase(), end="")
    elif pod.job.exists():
        print(f"{name}/{ {'Succeeded': '1/', 'Failed': '/1'}.get(pod.phase(), '/') }".replace(" ", ""), end="")
    return 0


def end_pod(store: Path, name: str) -> int:
    """The job is gone at once for those who ask; who waits for its deletion waits for the pod."""
    pod = Pod(store, name)
    pod.end()
    pod.job.rename(store / f"{name}.deleted-{time.time_ns()}")
    return 0


def main(arguments: list[str]) -> int:
    store = Path(os.environ["PRETENDED"])
    options = [word for word in arguments if word.startswith("-")]
    words = [word for word in arguments if not word.startswith("-")]
    if words[0] == "run-pod":
        Pod(store, words[1]).run()
        return 0
    if words[0] == "end-pod":
        return end_pod(store, words[1])
    words = words[1:]  # the namespace
    if words[0] == "create":
        return create(store)
    selector = words[-1] if "--selector" in options else ""
    if words[0] == "delete":
        names = words[2:]
        if selector:
            labels = dict(pair.split("=") for pair in selector.split(","))
            found = [Pod(store, path.stem) for path in store.glob("*.yaml")]
            names = [pod.name for pod in found if labels.items() <= pod.manifest["metadata"]["labels"].items()]
        return delete(store, names, "--wait=false" not in options)
    if words[0] == "get":
        return get(store, words[1], words[2].removeprefix("job-name="))
    sys.stderr.write(f"pretended kubectl: {arguments}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
