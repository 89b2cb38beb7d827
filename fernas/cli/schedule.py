"""When a study would end on a cluster: a simulation of its jobs on so many cores, and what bounds the end."""

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fernas.cli import rates
from fernas.cli.planning import RunCost, data_s, inputs_s, run_costs
from fernas.cli.sizes import dataset_size
from fernas.study import Study

QUEUE_S = 10.0  # seconds between the end of a job and the start of one that waited for it (polling, queue)


@dataclass
class Job:
    """One job of the study."""

    stage: str
    name: str
    seconds: float
    needs: list[int] = field(default_factory=list)


def jobs_of(study: Study, datasets: Sequence[str] = ()) -> list[Job]:
    """All jobs of a study, or of the targets of some datasets, with their costs, each after what it needs."""
    jobs: list[Job] = []

    def add(stage: str, name: str, seconds: float, needs: list[int]) -> int:
        jobs.append(Job(stage, name, seconds, needs))
        return len(jobs) - 1

    audits: dict[tuple[str, str], int] = {}
    scores = []
    for cost in run_costs(study, datasets):
        place = (cost.run.task, cost.run.protocol)
        if place not in audits:
            task = study.tasks[cost.run.task]
            work = data_s(study, task.dataset.name, dataset_size(task.dataset))
            start = rates.LIGHT_JOB_S
            read = add("data", task.name, 2 * start + work.get("synthesize", 0) + work["audit_dataset"], [])
            faces = add("align_faces", task.name, start + work.get("align_faces", 0), [read])
            inputs = add("make_inputs", task.name, start + inputs_s(study, task.name, task.section.view), [faces])
            audits[place] = add("make_folds", "/".join(place), 2 * start, [inputs])
        scores += _run(cost, audits[place], add)
    if not datasets:
        end = add("compare", "", rates.LIGHT_JOB_S, scores)
        add("report", "", rates.LIGHT_JOB_S, [end])
    return jobs


def _run(cost: RunCost, audit: int, add: Any) -> list[int]:
    run = cost.run
    name = "/".join((run.task, run.protocol, run.method, run.scope))
    ends = []
    for search_seed in range(run.search_seeds if run.shards else 0):
        groups = range(run.fold_groups)
        found = [add("search", f"{name}/s{search_seed}/g{g}", cost.search_s, [audit]) for g in groups]
        for train_seed in range(run.train_seeds):
            own = f"{name}/s{search_seed}/t{train_seed}"
            shards = [add("train", f"{own}/shard{k}", cost.train_s, found) for k in range(run.shards)]
            predictions = add("predict", own, cost.predict_s, shards)
            ends.append(add("score", own, rates.LIGHT_JOB_S, [predictions]))
    return ends


def simulate(jobs: list[Job], cores: int, queue_s: float = QUEUE_S) -> dict[str, Any]:
    """Run the jobs on so many cores, one core each, the longest rest of a chain first.

    Returns:
        makespan_s, critical_path_s (as if there were cores without end), work_s, utilisation, bound (what the end
        waits for) and the longest chain, as a list of {stage, name, seconds}.
    """
    users: dict[int, list[int]] = defaultdict(list)
    for number, job in enumerate(jobs):
        for need in job.needs:
            users[need].append(number)
    rest = [0.0] * len(jobs)  # seconds from a job's start to the end of the longest chain that it begins
    for number in reversed(range(len(jobs))):
        after = max((rest[user] + queue_s for user in users[number]), default=0.0)
        rest[number] = jobs[number].seconds + after
    missing = [len(job.needs) for job in jobs]
    ready = [(-rest[n], n) for n in range(len(jobs)) if not missing[n]]
    heapq.heapify(ready)
    coming: list[tuple[float, int]] = []  # (time at which it may start, job)
    running: list[tuple[float, int]] = []
    now = end = 0.0
    while ready or coming or running:
        while coming and coming[0][0] <= now:
            number = heapq.heappop(coming)[1]
            heapq.heappush(ready, (-rest[number], number))
        while ready and len(running) < cores:
            number = heapq.heappop(ready)[1]
            heapq.heappush(running, (now + jobs[number].seconds, number))
        times = [queue[0][0] for queue in (running, coming if len(running) < cores else []) if queue]
        now = min(times)
        while running and running[0][0] <= now:
            end, number = heapq.heappop(running)
            for user in users[number]:
                missing[user] -= 1
                if not missing[user]:
                    heapq.heappush(coming, (end + queue_s, user))
    work = sum(job.seconds for job in jobs)
    longest = max(rest, default=0.0)
    chain = _chain(jobs, users, rest)
    bound = "the number of cores" if work / cores > longest else f"the longest chain ({_words(chain)})"
    return {
        "makespan_s": round(end, 1),
        "critical_path_s": round(longest, 1),
        "work_s": round(work, 1),
        "utilisation": round(work / (end * cores), 3) if end else 0.0,
        "bound": bound,
        "chain": [{"stage": jobs[n].stage, "name": jobs[n].name, "seconds": round(jobs[n].seconds, 1)} for n in chain],
    }


def _chain(jobs: list[Job], users: dict[int, list[int]], rest: list[float]) -> list[int]:
    starts = [n for n, job in enumerate(jobs) if not job.needs]
    chain = [max(starts, key=lambda n: rest[n])] if starts else []
    while chain and users[chain[-1]]:
        chain.append(max(users[chain[-1]], key=lambda n: rest[n]))
    return chain


def _words(chain: list[int]) -> str:
    return f"{len(chain)} jobs one after another"


def outlook(study: Study, nodes: int, cores_per_node: int, datasets: Sequence[str] = ()) -> dict[str, Any]:
    """When the study, or the targets of some datasets, would end on a cluster of so many nodes."""
    return simulate(jobs_of(study, datasets), nodes * cores_per_node)
