"""Bad nights: what a study survives. After each fault the study is run again and must end as if nothing had happened.

Slow; `python -m pytest tests/workflow/test_faults.py` prints the figures of docs/faults.md with `-s`.
FERNAS_KILLS sets the number of kills (50), FERNAS_SEED where they fall.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import yaml

from fernas.core.io import read_json
from tests.fixtures import pretended_kubectl
from tests.fixtures.study_outcome import (
    differences,
    kill_tree,
    outcome,
    rules_at_work,
    start,
    store_problems,
    tree_of,
    wait_for,
)
from tests.fixtures.workflow_folder import Result, Workflow, copy_workflow

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
CONFIG = ("--configfile", "configs/tiny.yaml")
RESULTS = "results-tiny"
RUNS = f"{RESULTS}/runs/ckplus-3-rendered/subject2"
# how often each stage is hit, in the order of the work
PLAN = {
    "synthesize": 3, "build_manifest": 3, "audit_dataset": 3, "align_faces": 4, "make_inputs": 3, "make_folds": 2,
    "audit_folds": 3, "search": 9, "train": 9, "predict": 4, "score": 4, "compare": 2, "report": 2,
}  # fmt: skip
AFTER_S = {"search": 4.0, "train": 4.0, "score": 0.4, "compare": 0.4, "report": 0.4}  # at most so long after its start


def edit(folder: Path, change) -> None:
    path = folder / "configs" / "tiny.yaml"
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document))


def small(document: dict) -> None:
    document["study"] = [{"task": "ckplus-3", "protocol": "subject2", "methods": ["emonas", "small_cnn"]}]
    document["methods"]["emonas"]["search_options"]["epochs"] = 12
    document["methods"]["emonas"]["recipe_options"]["epochs"] = 20
    document["checkpoint"] = {"every_s": 0.2}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workflow:
    """A small study that has run undisturbed (FERNAS_SMALL: one that has run already)."""
    if os.environ.get("FERNAS_SMALL"):
        folder = Path(os.environ["FERNAS_SMALL"])
        return Workflow(folder, folder)
    workflow = copy_workflow(tmp_path_factory.mktemp("small"), package=True)
    edit(workflow.folder, small)
    result = workflow.snakemake("--cores", "1", *CONFIG)
    assert result.status == 0, result.text[-6000:]
    return workflow


@pytest.fixture(scope="module")
def expected(finished) -> dict[str, str]:
    return outcome(finished.folder / RESULTS)


@pytest.fixture
def study(finished, tmp_path) -> Workflow:
    """A copy of the finished study from which small_cnn's run has been taken away: some jobs are left to do."""
    folder = tmp_path / "study"
    shutil.copytree(finished.folder, folder, symlinks=True)
    shutil.rmtree(folder / RUNS / "small_cnn")
    (folder / RESULTS / "comparison.csv").unlink()
    return Workflow(folder, folder)


def again(workflow: Workflow, expected: dict[str, str], mirror: bool = True) -> Result:
    """Run to the end; everything is as it would have been, nothing runs in the store, nothing is left to do."""
    result = workflow.snakemake("--cores", "1", *CONFIG)
    assert result.status == 0, result.text[-6000:]
    results = workflow.folder / RESULTS
    assert differences(outcome(results), expected) == []
    if mirror:
        assert store_problems(results) == []
    assert "Nothing to be done" in workflow.snakemake("-n", *CONFIG).text
    return result


def one_message(text: str, *parts: str) -> None:
    """The fault is named, and no traceback of ours stands before it."""
    for part in parts:
        assert part in text, text[-5000:]
    assert "Traceback" not in text, text[-5000:]


# ------------------------------------------------------------------------------------------------------------- kills


def test_kills_at_random_points_of_every_stage_change_nothing(finished, expected, tmp_path):
    """kill -9 to Snakemake and all that it started, so often; then to the end."""
    total = int(os.environ.get("FERNAS_KILLS", "50"))
    chance = random.Random(int(os.environ.get("FERNAS_SEED", "7")))
    folder = tmp_path / "killed"
    shutil.copytree(finished.folder, folder, symlinks=True)
    shutil.rmtree(folder / RESULTS)
    shutil.rmtree(folder / ".snakemake")
    workflow = Workflow(folder, folder)
    hits: dict[str, int] = {}
    share = total / sum(PLAN.values())
    wanted = [stage for stage, count in PLAN.items() for _ in range(max(1, round(count * share)))][:total]
    for number, stage in enumerate(wanted):
        edit(folder, lambda d, on=number % 5 == 0: d.update(tracking={"enabled": on, "every_s": 1}))
        process = start(folder, *CONFIG)
        if wait_for(lambda p=process, s=stage: at_or_after(s, rules_at_work(p.pid)), 120, process):
            if stage in ("search", "train") and number % 2:  # half of them once there is something to continue from
                wait_for(lambda: list((folder / RESULTS / ".work").rglob("checkpoint.pt")), 20, process)
                time.sleep(chance.uniform(0, 1.0))
            else:
                time.sleep(chance.uniform(0, AFTER_S.get(stage, 1.3)))
        at = rules_at_work(process.pid) or ["between two jobs"]
        ended = process.poll() is not None
        mirrors = [p for p in psutil.process_iter(["cmdline"]) if _is_mirror(p, folder)] if number % 10 == 0 else []
        kill_tree(process)
        for mirror in mirrors:
            with contextlib.suppress(psutil.NoSuchProcess):
                mirror.kill()
        if ended:
            break
        hits[at[0]] = hits.get(at[0], 0) + 1
    edit(folder, lambda d: d.update(tracking={"enabled": True, "every_s": 1}))
    print(f"\nkills: {sum(hits.values())} ({', '.join(f'{k} {v}' for k, v in hits.items())})")
    again(workflow, expected)
    text = "".join(path.read_text(errors="replace") for path in (folder / RESULTS / "logs").rglob("*.log"))
    print(f"continued from a checkpoint: {text.count('continuing from')}; unreadable: {text.count('unreadable')}")
    assert "unreadable checkpoint" not in text
    assert sum(hits.values()) >= min(total, len(wanted)) * 0.8
    assert len(set(PLAN) & set(hits)) >= len(PLAN) - 2, f"never hit: {set(PLAN) - set(hits)}"
    left = [p for p in (folder / RESULTS).rglob(".*") if p.is_file() and p.parent.name != ".work"]
    assert len(left) <= sum(hits.values()), "half-written files stay hidden, and are no results"


def at_or_after(stage: str, rules: list[str]) -> bool:
    """Whether one of the rules is that stage or a later one (the stage itself may have been finished in time)."""
    order = list(PLAN)
    return any(rule in order and order.index(rule) >= order.index(stage) for rule in rules)


def _is_mirror(process: psutil.Process, folder: Path) -> bool:
    with contextlib.suppress(psutil.Error):
        return "follow" in (process.info["cmdline"] or []) and process.cwd() == str(folder)
    return False


def test_a_killed_head_whose_jobs_live_on(study, expected):
    """kill -9 to Snakemake alone: what it started ends by itself, and the next one starts from there."""
    process = start(study.folder, *CONFIG)
    assert wait_for(lambda: "train" in rules_at_work(process.pid), 120, process)
    jobs = tree_of(process.pid)[1:]
    process.kill()
    process.wait()
    assert jobs
    again(study, expected)
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in jobs if _is_script(p))


def _is_script(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(word.endswith(".py") and "scripts" in word for word in process.cmdline())
    return False


# -------------------------------------------------------------------------------------------------------- Kubernetes


KUBERNETES = ("--profile", "profiles/kubernetes", "--jobs", "1", *CONFIG)


@pytest.fixture
def pods(study, finished, tmp_path, monkeypatch) -> Path:
    """The pretended kubectl, its pods in process namespaces; in the study one search and what follows is left to do."""
    if not pretended_kubectl.namespaces():
        pytest.skip("no process namespaces here (root only): a SIGTERM would end a pod's first process")
    shutil.copytree(finished.folder / RUNS / "small_cnn", study.folder / RUNS / "small_cnn")
    for name in ("g0", "t0"):
        shutil.rmtree(study.folder / RUNS / "emonas" / "per_group" / "s0" / name)
    return pretended_kubectl.install(tmp_path / "kube", tmp_path, monkeypatch)


def search_pod(pods: Path, study: Workflow, process: subprocess.Popen) -> pretended_kubectl.Pod:
    """The pod of a search that has done some epochs."""
    rows = study.folder / RUNS / "emonas" / "per_group" / "s0" / "g0" / "search.jsonl"
    assert wait_for(lambda: rows.exists() and rows.read_text().count("\n") >= 2, 240, process), "no epoch"
    names = [path.stem for path in pods.glob("fernas-search-*.yaml")]
    running = [pod for pod in (pretended_kubectl.Pod(pods, name) for name in names) if pod.phase() == "Running"]
    assert len(running) == 1
    return running[0]


def search_log(study: Workflow) -> str:
    """The log of its last try; Snakemake shows that of a failed one in what it says, then removes it."""
    (log,) = (study.folder / RESULTS / "logs" / "search").rglob("emonas*-g0.log")
    return log.read_text()


def test_a_deleted_pod_saves_and_its_retry_continues(study, expected, pods):
    process = start(study.folder, *KUBERNETES)
    pod = search_pod(pods, study, process)
    subprocess.run(["kubectl", "--namespace", "default", "delete", "job", "--wait=false", pod.name], check=True)
    status, text = process.wait(600), (study.folder / "out.txt").read_text()
    assert status == 0, text[-5000:]
    assert "SIGTERM: saving and ending" in text and "continuing from" in search_log(study)
    again(study, expected)


def test_a_head_that_is_interrupted_cancels_its_pods(study, expected, pods):
    process = start(study.folder, *KUBERNETES)
    pod = search_pod(pods, study, process)
    process.send_signal(signal.SIGINT)
    process.wait(120)
    assert wait_for(lambda: pod.phase() == "Failed", 60)
    assert "SIGTERM: saving and ending" in search_log(study)
    again(study, expected)
    assert "continuing from" in search_log(study)


def test_a_killed_head_whose_pods_live_on(study, expected, pods):
    """The next one makes the same files: it ends what is left first, so that no two write beside each other."""
    process = start(study.folder, *KUBERNETES)
    pod = search_pod(pods, study, process)
    process.kill()
    process.wait()
    assert pod.phase() == "Running"
    second = start(study.folder, *KUBERNETES)
    assert second.wait(600) == 0, (study.folder / "out.txt").read_text()[-5000:]
    assert len(list(pods.glob(f"{pod.name}.deleted-*"))) == 1 and "continuing from" in search_log(study)
    again(study, expected)


# ------------------------------------------------------------------------------------------------------------- disks


def test_a_limit_on_file_size(study, expected):
    """No file may grow beyond 40 kB: the models do."""
    folder = study.folder
    command = f"ulimit -f 40; exec {sys.executable} -m snakemake --cores 1 {' '.join(CONFIG)}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, text=True,
        capture_output=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    one_message(done.stdout + done.stderr, "a file may not grow that large", "make room and run again")
    again(study, expected)


@contextlib.contextmanager
def small_disk(path: Path, size: str):
    """A file system in memory of so many bytes at `path`; skipped where it cannot be mounted."""
    path.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no small disk can be mounted here (root only)")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def test_a_full_disk(study, expected):
    results = study.folder / RESULTS
    aside = results.with_name("aside")
    results.rename(aside)
    used = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
    with small_disk(results, f"{used // 1024 * 2 + 40000}k"):
        subprocess.run(["cp", "-a", f"{aside}/.", results], check=True)
        free = os.statvfs(results)
        with open(results / "ballast", "wb") as ballast:  # all but a few blocks
            ballast.write(b"\0" * (free.f_bavail * free.f_frsize - 60_000))
        result = study.snakemake("--cores", "1", *CONFIG)
        assert result.status != 0
        one_message(result.text, "No space left on device")
        (results / "ballast").unlink()
        again(study, expected)


def test_a_read_only_results_folder(study, expected):
    results = study.folder / RESULTS
    aside = results.with_name("aside")
    results.rename(aside)
    with small_disk(results, "200m"):
        subprocess.run(["cp", "-a", f"{aside}/.", results], check=True)
        subprocess.run(["mount", "-o", "remount,ro", results], check=True)
        result = study.snakemake("--cores", "1", *CONFIG)
        assert result.status == 2
        one_message(result.text, f"results: {RESULTS}: cannot be written (Read-only file system)")
        subprocess.run(["mount", "-o", "remount,rw", results], check=True)
        again(study, expected)


# ------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        (f"{RUNS}/emonas/per_group/s0/g0/architecture.json", 0.5),
        (f"{RUNS}/emonas/per_group/s0/g1/architecture.json", 0.0),
        (f"{RUNS}/emonas/per_group/s0/t0/scores.json", 0.5),
        (f"{RESULTS}/tasks/ckplus-3-rendered/subject2/folds.train.json", 0.9),
    ],
)
def test_a_truncated_json_is_named_and_made_again(study, expected, name, cut):
    path = study.folder / name
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    result = study.snakemake("--cores", "1", *CONFIG)
    assert result.status != 0, "a broken file is not passed over"
    one_message(result.text, str(path.name))
    path.unlink()
    again(study, expected)


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_checkpoint_is_named_and_not_used(study, expected, damage):
    """The machine dies in a search and takes half of the checkpoint, or a bit in its middle, with it."""
    shutil.rmtree(study.folder / RUNS / "emonas" / "per_group" / "s0")
    process = start(study.folder, *CONFIG)
    work = study.folder / RESULTS / ".work"
    assert wait_for(lambda: "search" in rules_at_work(process.pid) and list(work.rglob("checkpoint.pt")), 120, process)
    kill_tree(process)
    (path,) = work.rglob("checkpoint.pt")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data[: len(data) // 2] if damage == "cut" else data)
    again(study, expected)
    logs = [log.read_text() for log in (study.folder / RESULTS / "logs" / "search").rglob("*.log")]
    (told,) = [text for text in logs if "unreadable checkpoint" in text]
    assert "cut or changed: its digest is another one" in told and "starting from the beginning" in told


def test_outputs_from_the_future(study, expected):
    """The clock was set back by a day in mid-study: what was written before is newer than everything to come."""
    when = time.time() + 86400
    for path in (study.folder / RESULTS).rglob("*"):
        if path.is_file() and path.suffix != ".db":
            os.utime(path, (when, when))
    again(study, expected)


def test_a_study_that_has_moved(study, expected, tmp_path):
    """The working folder at another path: nothing is lost, the store's runs are written anew where asked."""
    moved = tmp_path / "elsewhere" / "study"
    moved.parent.mkdir()
    study.folder.rename(moved)
    again(Workflow(moved, moved), expected)


# ------------------------------------------------------------------------------------------------------- two, MLflow


def test_two_snakemakes_at_once(study, expected):
    """The second is refused in words; the first does not notice."""
    first = start(study.folder, *CONFIG)
    assert wait_for(lambda: rules_at_work(first.pid), 120, first)
    second = study.snakemake("--cores", "1", *CONFIG)
    assert second.status == 2
    one_message(second.text, "Snakemake runs this study already", f"process {first.pid}")
    assert first.wait(300) == 0
    again(study, expected)


def timed(workflow: Workflow) -> tuple[Result, float]:
    begin = time.monotonic()
    return workflow.snakemake("--cores", "1", *CONFIG), time.monotonic() - begin


@pytest.mark.parametrize("kind", ["dead", "silent"])
def test_a_server_that_does_not_answer(study, expected, kind):
    """Nobody listens, or somebody who takes connections and says nothing: results are complete, one warning says so."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if kind == "silent":
            listener.listen(64)
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}"
        edit(study.folder, lambda d: d["tracking"].update(uri=uri))
        result, seconds = timed(study)
    assert result.status == 0, result.text[-4000:]
    print(f"\n{kind} server: {seconds:.0f} s")
    log = (study.folder / RESULTS / "logs" / "track.log").read_text()
    assert "is not reachable" in log and "Traceback" not in log
    assert differences(outcome(study.folder / RESULTS), expected) == []
    edit(study.folder, lambda d: d["tracking"].pop("uri"))
    again(study, expected)


@contextlib.contextmanager
def slow_server(database: Path, folder: Path, seconds: float):
    """The address of an MLflow server of `database` behind a wire on which each message takes so long."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{database}", "--artifacts-destination", str(folder / "artefacts")]
    with open(folder / "server.txt", "wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        assert wait_for(lambda: answers(port), 120, server), (folder / "server.txt").read_text()[-3000:]
        with socket.create_server(("127.0.0.1", 0)) as wire:
            threading.Thread(target=forward, args=(wire, port, seconds), daemon=True).start()
            yield f"http://127.0.0.1:{wire.getsockname()[1]}"
    finally:
        kill_tree(server)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def forward(wire: socket.socket, port: int, seconds: float) -> None:
    """Take connections until the socket is closed; what a client says is passed on later, what it hears at once."""

    def copy(source: socket.socket, target: socket.socket, delay: float) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 20):
                time.sleep(delay)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    with contextlib.suppress(OSError):
        while True:
            client, _ = wire.accept()
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=copy, args=(client, server, seconds), daemon=True).start()
            threading.Thread(target=copy, args=(server, client, 0.0), daemon=True).start()


def test_a_slow_server(study, expected, tmp_path):
    """Each message to the server takes a second: the study does not wait, and the mirror catches up afterwards."""
    with slow_server(study.folder / RESULTS / "mlflow.db", tmp_path, 1.0) as uri:
        edit(study.folder, lambda d: d["tracking"].update(uri=uri))
        result, seconds = timed(study)
    assert result.status == 0, result.text[-4000:]
    print(f"\nslow server: {seconds:.0f} s")
    assert differences(outcome(study.folder / RESULTS), expected) == []
    edit(study.folder, lambda d: d["tracking"].pop("uri"))
    (study.folder / RESULTS / "comparison.csv").unlink()
    again(study, expected)


def test_a_locked_store(study, expected):
    """Another program holds the database all the time: results are complete, and the store is once it lets go."""
    database = study.folder / RESULTS / "mlflow.db"
    with contextlib.closing(sqlite3.connect(database)) as store:
        store.execute("begin exclusive")
        result, seconds = timed(study)
        store.rollback()
    assert result.status == 0, result.text[-4000:]
    print(f"\nlocked store: {seconds:.0f} s")
    log = (study.folder / RESULTS / "logs" / "track.log").read_text()
    assert "is not reachable" in log and "Traceback" not in log
    (study.folder / RESULTS / "comparison.csv").unlink()
    again(study, expected)


def test_a_store_that_is_deleted_in_mid_run(study, expected):
    process = start(study.folder, *CONFIG)
    assert wait_for(lambda: "train" in rules_at_work(process.pid), 120, process)
    (study.folder / RESULTS / "mlflow.db").unlink()
    assert process.wait(300) == 0
    assert store_problems(study.folder / RESULTS) == []
    again(study, expected)


def test_the_workflow_is_told_to_end(study, expected):
    """SIGTERM to Snakemake and its jobs, as a shutdown of the machine: nothing is lost."""
    shutil.rmtree(study.folder / RUNS / "emonas" / "per_group" / "s0" / "t0")
    process = start(study.folder, *CONFIG)
    assert wait_for(lambda: "train" in rules_at_work(process.pid), 120, process)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(60)
    kill_tree(process)
    again(study, expected)
    assert threading.active_count() < 50 and read_json(study.folder / RUNS / "small_cnn/no_data/s0/t0/status.json")
