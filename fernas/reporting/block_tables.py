"""The report's smaller tables as csv, markdown and LaTeX: the matrix of the summary, and those of each task."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fernas.reporting.collect import Cell, TaskBlock
from fernas.reporting.formats import write_forms
from fernas.reporting.tree import RENDERED_NOTE

DETAILS = (
    "UAR, mean of folds", "SD over seeds", "UAR without faceless", "faceless samples", "SD of search seeds",
    "SD of training seeds",
)  # fmt: skip
GAPS = ("attribute", "gap", "interval", "recall of each group (samples)")
PATCH_COSTS = (  # heading, explanation
    ("params", ""),
    ("fewer, %", "parameters saved against the whole-face network"),
    ("acc., %", ""),
    ("UAR, %", ""),
    ("training core-s", "all folds of one repetition"),
    ("epochs", "up to the chosen weights, mean over folds"),
    ("s per epoch", ""),
)
MARKS = {"best": "*", "equal": "", "worse": " (worse)", "": ""}


@dataclass(frozen=True)
class Standing:
    """A method on a task: the text, the number that sorts, and `best`, `equal` (not told apart), `worse` or nothing."""

    text: str
    value: float | None = None
    kind: str = ""


def write_matrix(results: Path, blocks: Sequence[TaskBlock], matrix: list[tuple[str, list[Standing]]]) -> list[Path]:
    """UAR of every finished method on every task, in `results/tables/summary.*`."""
    names = [f"{block.task}, {block.protocol}" for block in blocks]
    frame = pd.DataFrame(
        [[method, *(cell.value for cell in cells)] for method, cells in matrix], columns=["method", *names]
    )
    shown = [(method, *(f"{cell.text}{MARKS[cell.kind]}" for cell in cells)) for method, cells in matrix]
    caption = (
        "UAR in percent of every finished method. *: best of the task; worse: beyond chance, Holm-adjusted p of the "
        "swap test below 0.05"
    )
    note = f" ({RENDERED_NOTE})" if any(block.rendered for block in blocks) else ""
    return write_forms(results / "tables" / "summary", frame, ("method", *names), shown, caption + note)


def write_block_tables(results: Path, block: TaskBlock) -> list[Path]:
    """The tables of a task beside its comparison, in `results/tables/<task>-<protocol>-<name>.*`; none for no rows."""
    note = f" ({RENDERED_NOTE})" if block.rendered else ""
    written = []
    for name, headings, rows, caption in (
        ("scores", DETAILS, block.details, "more scores, in percent; each fold counts the same"),
        ("datasets", tuple(block.dataset_names), block.datasets, "UAR in percent on the parts of the composite"),
        ("groups", GAPS, block.gaps, "gap in recall between the best and the worst served group of people, in percent"),
        ("patches", tuple(title for title, _ in PATCH_COSTS), block.patch_costs, "what networks of face patches cost"),
    ):
        if not rows:
            continue
        frame = pd.DataFrame(
            [[method, *(_value(cell) for cell in cells)] for method, cells in rows], columns=["method", *headings]
        )
        if name == "patches" and block.patch_table is not None:
            frame = block.patch_table
        shown = [(method, *(cell.text for cell in cells)) for method, cells in rows]
        stem = results / "tables" / f"{block.task}-{block.protocol}-{name}"
        told = f"{block.task}, {block.protocol}: {caption}{note}"
        written += write_forms(stem, frame, ("method", *headings), shown, told)
    return written


def _value(cell: Cell) -> float | str | None:
    """What a csv holds of a cell: its number where the text is one."""
    return cell.sort if cell.kind == "num" and " to " not in cell.text else cell.text
