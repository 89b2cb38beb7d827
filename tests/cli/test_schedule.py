"""The simulated schedule: known answers, bounds, and a study of thousands of jobs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernas.cli.planning import estimate
from fernas.cli.schedule import Job, jobs_of, simulate
from fernas.study import Study
from fernas.workflow.targets import count_jobs

ROOT = Path(__file__).resolve().parents[2]


def chain(*seconds: float) -> list[Job]:
    return [Job("s", str(n), value, [n - 1] if n else []) for n, value in enumerate(seconds)]


def test_known_answers():
    assert simulate(chain(3, 4, 5), 10, queue_s=0)["makespan_s"] == 12
    assert simulate(chain(3, 4, 5), 10, queue_s=1)["makespan_s"] == 14
    alone = [Job("s", str(n), 2.0) for n in range(6)]
    assert simulate(alone, 2, queue_s=0) == {
        "makespan_s": 6.0, "critical_path_s": 2.0, "work_s": 12.0, "utilisation": 1.0, "bound": "the number of cores",
        "chain": [{"stage": "s", "name": "0", "seconds": 2.0}],
    }  # fmt: skip
    assert simulate(alone, 6, queue_s=0)["makespan_s"] == 2


def test_the_long_chain_goes_first():
    """One chain of 3 + 3 and four single jobs of 1 on two cores end after 6 seconds, not 7."""
    jobs = [*(Job("s", f"a{n}", 1.0) for n in range(4)), Job("s", "b", 3.0), Job("s", "c", 3.0, [4])]
    found = simulate(jobs, 2, queue_s=0)
    assert found["makespan_s"] == 6 and found["bound"].startswith("the longest chain (2 jobs")


def test_no_jobs():
    assert simulate([], 4)["makespan_s"] == 0


@given(
    st.lists(st.tuples(st.floats(0.1, 50), st.lists(st.integers(0, 20), max_size=3)), max_size=25), st.integers(1, 5)
)
def test_the_end_lies_between_the_bounds(drawn, cores):
    jobs = [Job("s", str(n), s, sorted({k % n for k in needs}) if n else []) for n, (s, needs) in enumerate(drawn)]
    found = simulate(jobs, cores, queue_s=0)
    lower = max(found["critical_path_s"], found["work_s"] / cores)
    assert lower - 0.2 <= found["makespan_s"] <= found["work_s"] / cores + found["critical_path_s"] + 0.2


@pytest.mark.parametrize("name", ["configs/tiny.yaml", "configs/huge.yaml"])
def test_the_jobs_are_those_of_the_grid_and_cost_what_the_plan_says(name):
    study = Study.load(ROOT / name)
    jobs = jobs_of(study)
    counts = count_jobs(study)
    for stage in ("search", "train", "predict", "score", "compare", "report"):
        assert sum(job.stage == stage for job in jobs) == counts[stage], stage
    planned = {stage["stage"]: stage["core_s"] for stage in estimate(study)["stages"]}
    for stage in ("search", "train"):
        simulated = sum(job.seconds for job in jobs if job.stage == stage)
        assert simulated == pytest.approx(planned[stage], rel=1e-3, abs=0.06)


def test_the_huge_study_is_what_its_tool_writes():
    import importlib.util

    spec = importlib.util.spec_from_file_location("huge_config", ROOT / "tools" / "huge_config.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "configs" / "huge.yaml").read_text() == module.text()
    study = Study.load(ROOT / "configs" / "huge.yaml")
    assert len(study.datasets) == 14 and len(study.methods) == 15
    assert len(list(study.runs())) == 14 * 15
    assert {max(m.search_seeds, m.train_seeds) for m in study.methods.values()} == {10}
