"""Patterns of rules: wildcards in the folders of the layout, and logs that are named after them."""

import re
from pathlib import Path

from fernas.study import ResultsLayout
from fernas.workflow.patterns import CONSTRAINTS, Patterns

PATHS = Patterns(ResultsLayout(Path("r")))


def test_logs_are_named_after_what_their_job_writes():
    assert PATHS.log("report") == "r/logs/report.log"
    assert PATHS.log("align_faces", PATHS.dataset) == "r/logs/align_faces/{data}.log"
    assert PATHS.benchmark("make_inputs", PATHS.inputs) == "r/logs/make_inputs/{task}/{view}.tsv"
    assert PATHS.log("search", PATHS.search) == (
        "r/logs/search/{task}/{protocol}/{method}-{scope}-s{search_seed}-g{fold_group}.log"
    )


def test_every_wildcard_is_constrained():
    folders = [folder for folder in vars(PATHS).values() if not isinstance(folder, ResultsLayout)]
    names = {name for folder in folders for name in re.findall(r"\{(\w+)\}", str(folder))}
    assert names == set(CONSTRAINTS)
