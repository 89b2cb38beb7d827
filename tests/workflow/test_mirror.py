"""The start of the mirror's process."""

from pathlib import Path
from types import SimpleNamespace

from fernas.study import ResultsLayout
from fernas.workflow import mirror


def test_a_log_that_cannot_be_opened_costs_the_mirror_and_not_the_study(tmp_path: Path, capsys) -> None:
    tracking = SimpleNamespace(enabled=True, every_s=1, uri="")
    layout = ResultsLayout(tmp_path)
    study = SimpleNamespace(layout=layout, results=tmp_path, config=SimpleNamespace(tracking=tracking))
    (layout.logs / "track.log").mkdir(parents=True)
    layout.work.path.mkdir()
    layout.work.tracker.write_text("1\n")  # of an earlier run: not the process to wait for
    mirror.start(study)
    said = f"tracking: {layout.logs / 'track.log'}: Is a directory; the study runs without it\n"
    assert capsys.readouterr().err == said
    mirror.stop(study, "ok")
    assert not layout.work.tracker.exists()
