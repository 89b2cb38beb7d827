"""Whether a start of Snakemake will run jobs, and whether it can."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fernas.study import ResultsLayout
from fernas.workflow import start


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--cores", "2"], True),
        (["--cores", "2", "ckplus", "--configfile", "x.yaml"], True),
        (["--touch", "--cores", "1"], True),
        (["-n"], False),
        (["-np", "ckplus"], False),
        (["--dry-run"], False),
        (["--unlock"], False),
        (["--lint"], False),
        (["--report", "study.html"], False),
        (["--summary"], False),
        (["--no-such-option"], False),
    ],
)
def test_only_a_run_takes_a_study_over(monkeypatch, capsys, words, expected):
    monkeypatch.setattr("sys.argv", ["snakemake", *words])
    assert start.will_run() is expected
    assert capsys.readouterr().err == ""


CHECK = """
from pathlib import Path
from types import SimpleNamespace
from fernas.study import ResultsLayout
from fernas.workflow import start
start.check_writable(SimpleNamespace(results=Path("results"), layout=ResultsLayout(Path("results"))))
"""


@pytest.mark.parametrize(
    ("limit", "temporary", "said"),
    [
        ("unlimited", "absent", "ConfigError: TMPDIR: absent: cannot be written (No such file or directory)\n"),
        ("10", ".", "ConfigError: TMPDIR: .: cannot be written (File too large)\n"),
        ("unlimited", ".", ""),
    ],
)
def test_temporary_files_that_cannot_be_written_are_one_line_at_the_start(tmp_path, limit, temporary, said):
    """A limit on the size of files stands for a disk that is nearly full."""
    script = f"ulimit -f {limit}; cd {tmp_path}; TMPDIR={temporary} exec {sys.executable} -c '{CHECK}'"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(Path(__file__).parents[2])}, text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2 if said else 0, said)
    assert not list(tmp_path.glob(".write-*"))


@pytest.mark.parametrize("name", [".work", "logs"])
def test_a_folder_of_results_that_cannot_be_written_is_one_line_at_the_start(tmp_path, capsys, name):
    (tmp_path / name).touch()  # root may write everywhere, so it is no folder
    with pytest.raises(SystemExit, match="^2$"):
        start.check_writable(SimpleNamespace(layout=ResultsLayout(tmp_path)))
    said = f"ConfigError: results: {tmp_path / name}: cannot be written (File exists)\n"
    assert capsys.readouterr().err == said
