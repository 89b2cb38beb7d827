"""The set-up script: a half-made environment is made whole, and a missing network is said to be one."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The set-up's files, and an environment as a kill leaves it before pip is in it."""
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    return tmp_path


@pytest.fixture
def empty_index(tmp_path: Path) -> Iterator[str]:
    """A package index that answers and has nothing."""
    (tmp_path / "index").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "index"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def set_up(checkout: Path, index: str) -> subprocess.CompletedProcess[str]:
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index, "PIP_RETRIES": "1", "PIP_TIMEOUT": "2",
                "PYTHON": sys.executable, "VENV": ".venv", "TORCH": "auto", "NO_PROXY": "127.0.0.1"}  # fmt: skip
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PIP_") and "proxy" not in k.lower()}
    command = ["bash", "tools/setup.sh"]
    return subprocess.run(command, cwd=checkout, env={**kept, **settings}, capture_output=True, text=True, check=False)


def test_a_half_made_environment_is_made_whole_and_a_missing_network_is_said(checkout: Path) -> None:
    python = checkout / ".venv/bin/python"
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode != 0
    done = set_up(checkout, "http://127.0.0.1:9/")
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    assert done.returncode == 2
    assert "no connection to your package index" in done.stderr and "CPU build" not in done.stdout + done.stderr


def test_an_index_that_answers_without_a_cpu_build_is_not_called_a_missing_network(
    checkout: Path, empty_index: str
) -> None:
    done = set_up(checkout, empty_index)
    assert "no CPU build in your package index" in done.stdout and "no connection" not in done.stderr
    assert done.returncode != 0 and "No matching distribution found" in done.stderr
