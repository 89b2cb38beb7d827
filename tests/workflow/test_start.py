"""Whether a start of Snakemake will run jobs."""

import pytest

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
