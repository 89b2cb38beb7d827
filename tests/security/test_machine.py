"""What fernas opens to others: the page on localhost alone; what it is built from: pinned, hashed, no known hole."""

import importlib.util
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def audit_lock():
    spec = importlib.util.spec_from_file_location("audit_lock", ROOT / "tools" / "audit_lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nobody_opens_the_page_to_the_network_by_an_option():
    from fernas.cli.app import app

    assert "--host" not in CliRunner().invoke(app, ["track", "ui", "--help"]).output


def test_no_shipped_file_binds_to_every_address():
    for path in [
        *ROOT.glob("fernas/**/*.py"),
        *ROOT.glob("tools/*"),
        *ROOT.glob("profiles/*/*.yaml"),
        ROOT / "Makefile",
    ]:
        if path.is_file():
            assert not re.search(r"0\.0\.0\.0|\[::\]", path.read_text(encoding="utf-8", errors="ignore")), path


def test_the_lock_has_no_problem(audit_lock):
    count, problems = audit_lock.audit(ROOT / "requirements")
    assert problems == [] and count > 100


HASH = "    --hash=sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        ("numpy>=2 \\\n" + HASH, "expected name==version"),
        ("numpy==2.* \\\n" + HASH, "expected one version"),
        ("numpy==2.1.0", "no sha256 hash"),
        ("numpy==2.1.0 \\\n    --hash=md5:" + "a" * 32, "no sha256 hash"),
        ("numpy @ https://example.org/numpy.whl \\\n" + HASH, "expected name==version"),
        ("git+https://example.org/x.git", "expected name==version"),
        ("-e .", "expected name==version"),
        ("--extra-index-url https://example.org/simple", "expected name==version"),
        ("Jinja2==3.1.2 \\\n" + HASH, "CVE-2025-27516"),
        ("numpy==2.1.0 \\\n" + HASH + "\nNumPy==2.2.0 \\\n" + HASH, "pinned twice"),
    ],
)
def test_each_problem_of_a_lock_is_found(audit_lock, tmp_path, lock, message):
    (tmp_path / "lock.txt").write_text(lock + "\n")
    (tmp_path / "torch.txt").write_text("torch==2.13.0\n")
    (tmp_path / "known-bad.txt").write_text((ROOT / "requirements" / "known-bad.txt").read_text())
    _, problems = audit_lock.audit(tmp_path)
    assert any(message in problem for problem in problems), problems


def test_a_torch_with_a_hole_is_found(audit_lock, tmp_path):
    (tmp_path / "lock.txt").write_text("")
    (tmp_path / "torch.txt").write_text("torch==2.5.1\n")
    (tmp_path / "known-bad.txt").write_text((ROOT / "requirements" / "known-bad.txt").read_text())
    assert "CVE-2025-32434" in " ".join(audit_lock.audit(tmp_path)[1])
