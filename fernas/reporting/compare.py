"""What `compare` leaves for all others: every table and every statistic of the study, computed once.

`compare_study` writes `comparison.csv`, `comparison.md` and the folder `tables`: each table as csv, markdown and
LaTeX, the drawings as SVG in a folder of their own, the frames as parquet, and what is no table as `statistics.json`.
The report, the mirror and the command line read those files (`StudyTables.read`) and compute none of it again.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from fernas.core.io import read_json, read_parquet, write_json, write_parquet, write_text
from fernas.reporting import patches
from fernas.reporting.captions import captions
from fernas.reporting.comparison import comparison, comparison_markdown, comparison_table, task_records
from fernas.reporting.details import detail_frames, detail_tables
from fernas.reporting.drawings import Drawing, forest, ranks_drawing, task_classes
from fernas.reporting.formats import rows_of, task_groups
from fernas.reporting.published import published_frame, published_tables
from fernas.reporting.statistics import Statistics, best_runs, run_name, run_of, statistics_tables, study_statistics
from fernas.reporting.stored import RENDERED_NOTE
from fernas.reporting.table import Table, write_csv
from fernas.reporting.verdict import summary_table
from fernas.study import Study, left_over, outputs
from fernas.study.left_over import list_left_over

FOLDER, FACTS = "tables", "statistics.json"
DRAWINGS = "drawings"  # below FOLDER


@dataclass
class StudyTables:
    """The frames of all tables over all tasks, and the facts that are no tables.

    Attributes:
        comparison: one row per method run, see `comparison.csv_columns`.
        paired, variance, optimism, search_health: see `Statistics`.
        scores, datasets, groups: see `details.detail_frames`.
        patches: what networks of face patches cost, see `patches.cost_frame`.
        published: published numbers beside ours.
        facts: `captions` (task, protocol, caption), `left_out` and `ranks` of the statistics, `best_runs` (path of a
            search seed -> true or false), `drawings` (kind, task, protocol, method, file, alt, caption) and `patches`
            (task, protocol, method, sentences).
    """

    comparison: pd.DataFrame
    paired: pd.DataFrame
    variance: pd.DataFrame
    optimism: pd.DataFrame
    search_health: pd.DataFrame
    scores: pd.DataFrame
    datasets: pd.DataFrame
    groups: pd.DataFrame
    patches: pd.DataFrame
    published: pd.DataFrame
    facts: dict[str, Any]

    @property
    def statistics(self) -> Statistics:
        """The study's statistics."""
        return Statistics(
            self.paired, self.variance, self.optimism, self.search_health, self.facts["ranks"], self.facts["left_out"]
        )

    @property
    def captions(self) -> dict[tuple[str, str], str]:
        """(task, protocol) -> caption."""
        return {(entry["task"], entry["protocol"]): entry["caption"] for entry in self.facts["captions"]}

    @classmethod
    def frames(cls) -> list[str]:
        """The names of the frames, which are the names of their files."""
        return [field.name for field in fields(cls) if field.name != "facts"]

    @classmethod
    def read(cls, results: Path) -> "StudyTables":
        """What `compare` wrote.

        Raises:
            DataError: it has not written, or not all of it.
        """
        folder = results / FOLDER
        facts = read_json(folder / FACTS)
        return cls(**{name: read_parquet(folder / f"{name}.parquet") for name in cls.frames()}, facts=facts)

    def write(self, results: Path) -> None:
        """The frames as parquet, and the facts."""
        for name in self.frames():
            write_parquet(results / FOLDER / f"{name}.parquet", getattr(self, name).reset_index(drop=True))
        write_json(results / FOLDER / FACTS, self.facts)

    def task_tables(self, task: str, protocol: str, classes: int = 0) -> dict[str, Table]:
        """The tables of one task under one protocol that have rows; `comparison` is always there."""
        every = self._task_tables(task, protocol, classes)
        return {name: table for name, table in every.items() if name == "comparison" or len(table)}

    def _task_tables(self, task: str, protocol: str, classes: int = 0) -> dict[str, Table]:
        caption = self.captions[(task, protocol)]
        rows = rows_of(self.comparison, task, protocol)
        note = f" ({RENDERED_NOTE})" if bool(rows["rendered"].any()) else ""
        frames = {"scores": self.scores, "datasets": self.datasets, "groups": self.groups}
        costs = rows_of(self.patches, task, protocol)
        about = f"{task}, {protocol}: what networks of face patches cost{note}"
        keys = tuple(key for key in costs.columns if key not in ("task", "protocol"))
        return {
            "comparison": comparison_table(self.comparison, task, protocol, caption, self.statistics, classes),
            **detail_tables(frames, task, protocol, note),
            "patches": Table(f"{task}-{protocol}-patches", about, patches.COSTS, costs, data=keys),
        }

    def tables(self, study: Study) -> list[Table]:
        """Every table that is written: those that the study has, with rows or without."""
        tables = [*statistics_tables(self.statistics), *published_tables(self.published)]
        for task, protocol, _ in task_groups(self.comparison):
            names = outputs.task_tables(study, task, protocol)
            tables += [table for table in self._task_tables(task, protocol).values() if table.name in names]
        return [*tables, summary_table(self.comparison, self.statistics)]


def compare_study(results: Path, study: Study) -> StudyTables:
    """Compute and write all tables of a study.

    Args:
        results: the results folder.
        study: decides the rows.
    """
    list_left_over(study.at(results))
    frame = comparison(results, study)
    statistics = study_statistics(results, frame, study)
    texts = captions(results, frame, study)
    drawings, sentences, costs = _drawings(results, frame, statistics, study)
    tables = StudyTables(
        comparison=frame,
        paired=statistics.paired,
        variance=statistics.variance,
        optimism=statistics.optimism,
        search_health=statistics.health,
        **detail_frames(results, frame, statistics.variance),
        patches=costs,
        published=published_frame(results, frame, study),
        facts={
            "captions": [{"task": t, "protocol": p, "caption": text} for (t, p), text in texts.items()],
            "left_out": statistics.left_out,
            "ranks": statistics.ranks,
            "best_runs": best_runs(results, frame),
            "drawings": drawings,
            "patches": sentences,
        },
    )
    tables.write(results)
    for table in tables.tables(study):
        table.write(results / FOLDER)
    write_json(results / FOLDER / "ranks.json", statistics.ranks)
    write_csv(results / "comparison.csv", frame)
    write_text(results / "comparison.md", comparison_markdown(frame, texts, statistics))
    return tables


def _drawings(
    results: Path, frame: pd.DataFrame, statistics: Statistics, study: Study
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], pd.DataFrame]:
    """Draw what belongs beside the tables: (words of each drawing, sentences about patches, costs of patches)."""
    drawings: list[dict[str, Any]] = []
    sentences: list[dict[str, Any]] = []
    costs = [pd.DataFrame(columns=["task", "protocol", *patches.cost_frame({}).columns])]

    (results / FOLDER / DRAWINGS).mkdir(parents=True, exist_ok=True)

    def draw(kind: str, drawing: Drawing | None, stem: str, **where: str) -> None:
        if drawing is None:
            return
        file = f"{DRAWINGS}/{stem}.svg"
        write_text(results / FOLDER / file, drawing.svg)
        words = {"alt": drawing.alt, "caption": drawing.caption, "file": file}
        drawings.append({"kind": kind, "task": "", "protocol": "", "method": "", **where, **words})

    draw("ranks", ranks_drawing(statistics.ranks), "ranks")
    for task, protocol, _ in task_groups(frame):
        records = task_records(frame, task, protocol)
        stem, where = f"{task}-{protocol}", {"task": task, "protocol": protocol}
        classes = task_classes(results, records[0], study)
        draw("forest", forest(records, len(classes)), stem, **where)
        runs = {run_name(record, records): run_of(results, record) for record in records if record["search_scope"]}
        findings = {name: part for name, run in runs.items() if (part := patches.patch_findings(name, run))}
        for name, part in findings.items():
            sentences.append({**where, "method": name, "sentences": part.sentences})
            for drawing in part.drawings:
                draw("patches", drawing, f"{stem}-{name}-{drawing.name}", **where, method=name)
        if findings:
            costs.append(patches.cost_frame(runs).assign(**where))
    return drawings, sentences, pd.concat([c for c in costs if len(c)] or costs, ignore_index=True)


def is_current(results: Path) -> bool:
    """Whether the tables are newer than all scores, statuses and measurements that they come from."""
    facts = results / FOLDER / FACTS
    if not facts.is_file():
        return False
    written = facts.stat().st_mtime
    sources = [*results.glob("runs/**/status.json"), *results.glob("runs/**/scores.json")]
    sources += [results / FOLDER / "complexity.csv", results / left_over.NAME]
    return all(path.stat().st_mtime <= written for path in sources if path.is_file())
