"""What the papers print, beside our numbers, and why the two are not the same thing; the reasons come from data."""

import functools
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from fernas.core import plugins
from fernas.reporting.captions import official_subjects, subject_count
from fernas.reporting.complexity import read_complexity
from fernas.reporting.formats import missing, optional, percent, records_of, short_count
from fernas.reporting.stored import folds_document
from fernas.reporting.table import FILES, Column, Table
from fernas.study import Study

NOT_AVAILABLE = "not available"
DATASETS = {
    "CK+": "ckplus", "CK48 (CK+ 48x48)": "ck48", "FER2013": "fer2013", "DISFA": "disfa", "JAFFE": "jaffe",
    "CASME-I": "casme", "CASME-II": "casme2", "CAS(ME)^2": "casme_sq", "SMIC": "smic", "RAF-DB": "rafdb",
}  # fmt: skip
METHODS = {
    "EmoNAS": "emonas", "Auto-FERNet": "autofernet", "Auto-FERNet+Relabeling": "autofernet",
    "Auto-FERNet+Relabeling+FES": "autofernet", "Auto-FERNet ensemble": "autofernet_ensemble",
    "Ensemble 6 Auto-FERNets": "autofernet_ensemble", "evolved-patch CNN vs full-image CNN": "deep_evolution",
    "MobileNet": "mobilenet_v2", "VGG16": "vgg16", "VGG-16": "vgg16", "VGG19": "vgg19", "VGG-19": "vgg19",
    "ResNet50 / ResNet": "resnet50", "ResNet": "resnet50", "LBP-TOP-SVM": "lbp_top_svm",
}  # fmt: skip
TITLES = {name: title for title, name in DATASETS.items()} | {  # of datasets that no known number is about too
    "ised": "ISED", "mug": "MUG", "oulu": "Oulu-CASIA", "samm": "SAMM", "megc2019": "MEGC2019 (composite)",
}  # fmt: skip
NAMES = {title: name for name, title in TITLES.items()} | DATASETS
CK48 = "CK48 (CK+ 48x48)"
WAYS = {  # published method and dataset -> ours in the paper's way, the next best, datasets, and the recipe of that way
    ("Auto-FERNet", "FER2013"): (("autofernet",), ("fer2013",), "plain"),
    ("Auto-FERNet+Relabeling", "FER2013"): (("autofernet_relabel", "autofernet"), ("fer2013",), "relabel"),
    ("Auto-FERNet+Relabeling+FES", "FER2013"): (("autofernet_fes", "autofernet"), ("fer2013",), "relabel"),
    ("Auto-FERNet", "CK+"): (("autofernet_transfer", "autofernet"), ("ck48", "ckplus"), "finetune"),
    ("Auto-FERNet", CK48): (("autofernet_transfer", "autofernet"), ("ck48",), "finetune"),
    ("Auto-FERNet", "JAFFE"): (("autofernet_zero_shot", "autofernet_transfer", "autofernet"), ("jaffe",), "finetune"),
}
README_IS = "Auto-FERNet+Relabeling+FES"  # what the number of FER2013 in the authors' README is of
RATIO = "Auto-FERNet vs EmoNAS"  # not a method: what one of the two costs relative to the other
SYSTEMS = {"EmoNAS": "emonas", "Auto-FERNet": "autofernet", "Deep Evolution": "deep_evolution"}
SAME_SIZE = 0.05  # parameter counts that differ by more are of another network
REFERENCE_CLASSES, REFERENCE_INPUT = 1000, (3, 224, 224)  # what published counts of torchvision's networks are of
WHOLE_FACE = "whole_face"
EMONAS_TABLES = {  # number -> what it is about, and its datasets here: a report about the paper says so
    "1": ("CK+", ("ckplus",)), "2": ("ISED, DISFA, MUG", ("ised", "disfa", "mug")), "3": ("Oulu-CASIA", ("oulu",)),
    "4": ("FER2013", ("fer2013",)), "5": ("RAF-DB", ("rafdb",)), "6": ("CASME I and II", ("casme", "casme2")),
    "7": ("CAS(ME)^2 and SAMM", ("casme_sq", "samm")), "8": ("SMIC and the composite", ("smic", "megc2019")),
    "9": ("complexity per dataset", ()), "10": ("complexity beside other methods", ()),
}  # fmt: skip
ORDER = [f"EmoNAS {n}" for n in EMONAS_TABLES] + [f"Auto-FERNet {n}" for n in ("I", "II", "III")]
COLUMNS = (
    "table", "dataset", "setting", "method", "metric", "published", "unit", "ours", "our_row", "not_comparable_because",
    "confidence", "source",
)  # fmt: skip
FRAME = [*COLUMNS[1:], "number", "table", "ours_on"]  # the order of published.parquet


def published_results() -> pd.DataFrame:
    """The published numbers: dataset, setting, method, metric, value, unit, source_table, source_paper, confidence."""
    file = resources.files("fernas.reporting").joinpath("data", "published.csv")
    with file.open(encoding="utf-8") as stream:
        return pd.read_csv(stream, dtype=str, keep_default_na=False)


def published_frame(results: Path, frame: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Every published number beside ours: first those with a number of ours, then those of methods that fernas has.

    The columns are `COLUMNS`, the published value as a number and `ours_on`, our method and task in words.

    Args:
        results: the results folder, for the subjects and protocols of tasks.
        frame: the comparison of all methods.
        study: for classes and views of its tasks.
    """
    table = published_results()
    sizes = _published_sizes(table)
    rows = [_compared(record, results, frame, study, sizes) for record in records_of(table)]
    rows += _unavailable(frame, rows)
    here = set(frame["dataset"])

    def order(row: dict[str, Any]) -> tuple[bool, bool, bool, bool]:
        known = row["method"] in METHODS or row["method"] in SYSTEMS or row["method"] == RATIO
        elsewhere = NAMES.get(row["dataset"], row["dataset"]) not in here
        return row["ours"] == "-", "study" in row["setting"], not known, elsewhere

    rows.sort(key=order)
    return pd.DataFrame(rows, columns=FRAME)


TABLE = (
    Column("table", text=optional, forms=FILES),
    Column("dataset", forms=FILES),
    Column("setting", text=optional, forms=FILES),
    Column("method", style="name"),
    Column("dataset", forms="html", style="name"),
    Column("metric", forms=FILES),
    Column("metric", forms="html", style="name", below="unit"),
    Column("number", "published", lambda number, text: text, ("published",)),
    Column("ours", forms=FILES),
    Column("ours", forms="html", below="ours_on"),
    Column("not_comparable_because", "not comparable because", optional, style="reason"),
    Column("setting", text=optional, forms="html", style="reason"),
    Column(
        "table", text=optional, forms="html", style="name",
        about="table 1-10 of EmoNAS or I-III of Auto-FERNet",
    ),
    Column("confidence", text=optional, style="name"),
    Column("source", text=optional, forms="html", style="reason source"),
)  # fmt: skip


def published_tables(frame: pd.DataFrame) -> list[Table]:
    """All published numbers beside ours, and those of the papers' tables in the order of the papers."""
    of_papers = frame[frame["table"] != ""].sort_values(
        "table", key=lambda names: names.map(ORDER.index), kind="stable"
    )
    topics = "; ".join(f"EmoNAS {number}: {topic}" for number, (topic, _) in EMONAS_TABLES.items())
    beside = "Published numbers beside ours; a number is comparable only where no reason against it is given"
    papers = f"Tables 1-10 of EmoNAS and I-III of Auto-FERNet, as far as their numbers are known here: {topics}"
    return [
        Table("published", beside, TABLE, frame, data=COLUMNS),
        Table("papers", papers, TABLE, of_papers, data=COLUMNS),
    ]


def _compared(
    record: dict[str, Any], results: Path, frame: pd.DataFrame, study: Study, sizes: dict[str, float]
) -> dict[str, Any]:
    methods, datasets, _ = way_of(record)
    ours, reasons = _our_row(frame, methods, datasets, record["setting"], study), []
    value = "-"
    if ours is None:
        reasons = [_why_none(frame, methods, datasets)]
    else:
        value = our_value(record["metric"], ours, frame, results)
        reasons = reasons_against(record, ours, results, study, sizes)
        if value == "-":
            reasons.append(_why_no_value(record["metric"]))
    return {
        **{key: record[key] for key in ("dataset", "setting", "method", "metric", "unit", "confidence")},
        **_our_part(value, ours),
        "published": record["value"],
        "number": _number(record["value"]),
        "not_comparable_because": "; ".join(reasons),
        "source": f"{record['source_paper']}, {record['source_table']}",
        "table": table_of(record["source_paper"], record["source_table"]),
    }


def _our_part(value: str, ours: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a row says of our number: the text, the row of the comparison, and its method and task in words."""
    if ours is None:
        return {"ours": "-", "our_row": "-", "ours_on": ""}
    name = "/".join(str(ours[key]) for key in ("task", "protocol", "method", "search_scope"))
    return {"ours": value, "our_row": name, "ours_on": f"{ours['method']} on {ours['task']}"}


def table_of(paper: str, table: str) -> str:
    """The table of a paper that a published number stands in, for example `EmoNAS 9`; empty for other sources."""
    if paper.startswith("Auto-FERNet") and (match := re.match(r"Table (I{1,3})\b", table)):
        return f"Auto-FERNet {match.group(1)}"
    if paper.startswith("EmoNAS") and (match := re.search(r"Table (\d+)", table)):
        return f"EmoNAS {match.group(1)}"
    return ""


def way_of(record: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """(methods, datasets, recipe) of ours for a published row, the best match first; no dataset and no recipe: any."""
    method, dataset = record["method"], record["dataset"]
    if method == "Auto-FERNet" and dataset == "FER2013" and "README" in record["setting"]:
        method = README_IS
    if (method, dataset) in WAYS:
        return WAYS[(method, dataset)]
    ours = "autofernet" if method == RATIO else METHODS.get(method, "")
    return (ours,) if ours else (), (DATASETS[dataset],) if dataset in DATASETS else (), ""


def _our_row(
    frame: pd.DataFrame,
    methods: tuple[str, ...],
    datasets: tuple[str, ...],
    setting: str,
    study: Study,
) -> dict[str, Any] | None:
    """Our finished row for a published one: best method, best dataset, nearest class count, nearest split."""
    rows = frame[frame["method"].isin(methods) & (frame["status"] == "ok")]
    records = records_of(rows[rows["dataset"].isin(datasets)] if datasets else rows)
    wanted, split = class_count(setting), split_of(setting)

    def distance(row: dict[str, Any]) -> tuple[int, int, bool, bool]:
        protocol = study.protocols[row["protocol"]].kind
        count = None if missing(row["folds"]) else int(row["folds"])
        return (
            methods.index(row["method"]),
            datasets.index(row["dataset"]) if datasets else 0,
            wanted is not None and len(study.tasks[row["task"]].section.classes) != wanted,
            split is not None and not _same_split(split, protocol, count),
        )

    return min(records, key=distance, default=None)


def _why_none(frame: pd.DataFrame, methods: tuple[str, ...], datasets: tuple[str, ...]) -> str:
    if not methods:
        return "not a method of fernas"
    if datasets and not set(datasets) & set(frame["dataset"]):
        return f"{datasets[0]} is not in this study"
    rows = frame[frame["method"].isin(methods) & (frame["dataset"].isin(datasets) | (not datasets))]
    if rows.empty:
        return f"{methods[0]} is not in this study"
    return f"{rows['method'].iloc[0]} {rows['status'].iloc[0]}: {rows['reason'].iloc[0]}"


def our_value(metric: str, ours: dict[str, Any], frame: pd.DataFrame, results: Path) -> str:
    """What a published metric is of our row, or a dash where that was not counted or measured.

    Args:
        metric: as the published numbers name it.
        ours: our row of the comparison.
        frame: the comparison, for what a metric sets against another row.
        results: the results folder, for the complexity table.
    """
    if "accuracy" in metric:
        return percent(ours["accuracy"])
    if metric.startswith("params") or metric == "example evolved parameters":
        return short_count(ours["params"])
    if metric.startswith("model size") and "reduction" not in metric:
        return "-" if missing(ours["params"]) else f"{4e-6 * float(ours['params']):.3g} MB"
    if metric.startswith("speed"):
        return _speed(ours, results)
    if metric.startswith("relative compute"):
        base = _beside(frame, ours, "emonas")
        return "-" if base is None else f"{float(ours['macs']) / float(base['macs']):.2f}"
    whole = _beside(frame, ours, WHOLE_FACE)
    if metric == "average parameter reduction":
        return "-" if whole is None else percent(1 - float(ours["params"]) / float(whole["params"]))
    if metric == "example full-image parameters":
        return "-" if whole is None else short_count(whole["params"])
    if metric == "number of candidate operations":
        return str(len(plugins.load("spaces", str(ours["space"])).operations)) if ours["space"] else "-"
    return "-"


def _beside(frame: pd.DataFrame, ours: dict[str, Any], method: str) -> dict[str, Any] | None:
    """The finished row of another method on the same task, with its size counted."""
    same = (frame["task"] == ours["task"]) & (frame["protocol"] == ours["protocol"]) & (frame["method"] == method)
    rows = records_of(frame[same & (frame["status"] == "ok") & frame["params"].notna() & frame["macs"].notna()])
    return None if not rows or missing(ours["params"]) or missing(ours["macs"]) else rows[0]


def _speed(ours: dict[str, Any], results: Path) -> str:
    """Frames per second of single frames, where the target `complexity` has measured them."""
    table = read_complexity(results)
    keys = ("task", "protocol", "method", "search_scope")
    rows = table[(table[list(keys)].astype(str) == [str(ours[key]) for key in keys]).all(axis=1)]
    return "-" if rows.empty else f"{float(rows['frames_per_s'].iloc[0]):.0f} ({rows['device'].iloc[0]})"


def _why_no_value(metric: str) -> str:
    if metric.startswith("speed"):
        return "ours not measured: snakemake --cores all complexity"
    if metric.startswith("relative compute"):
        return "emonas has not finished on the same task"
    if "parameter" in metric:
        return f"{WHOLE_FACE} has not finished on the same task"
    return "not a number of our tables"


def reasons_against(
    record: dict[str, Any], ours: dict[str, Any], results: Path, study: Study, sizes: dict[str, float]
) -> list[str]:
    """Why a published number and ours are not the same thing, each from a fact of the two.

    Args:
        record: a row of `published_results`.
        ours: our row of the comparison.
        results: the results folder.
        study: the study.
        sizes: published parameters, in single ones, per method of fernas.
    """
    if "accuracy" not in record["metric"]:
        return _size_reasons(record, ours, sizes)
    reasons = [*_network_reasons(ours, sizes, scored=True), *_way_reasons(record, ours)]
    task, setting = str(ours["task"]), record["setting"]
    if ours["rendered"]:
        reasons.insert(0, "ours are rendered faces")
    wanted, here = class_count(setting), len(study.tasks[task].section.classes)
    if wanted is None:
        reasons.append("its class count is not stated")
    elif wanted != here:
        reasons.append(f"other classes: {wanted}, ours {here}")
    reasons += _split_reasons(setting, ours, results, study)
    view = study.views[study.tasks[task].view_of(str(ours["method"]))].kind
    if ("dynamic image" in setting) != (view == "dynamic") and str(ours["dataset"]) != "smic":
        reasons.append(f"other frames: ours are of kind {view}")
    if "ensemble" in setting and "ensemble" not in str(ours["method"]):
        reasons.append("an ensemble")
    if "no extra data" not in setting and "extra data" in setting and ours["extra_data"] in ("False", ""):
        reasons.append("extra data, ours none")
    return reasons


def _way_reasons(record: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """Whether ours was trained in another way, where the paper has several."""
    methods, _, recipe = way_of(record)
    if not recipe:
        return []
    if ours["method"] != methods[0]:
        return [f"theirs is in the way of {methods[0]}"]
    return [] if ours["recipe"] in ("", recipe) else [f"other recipe: {recipe}, ours {ours['recipe']}"]


def _split_reasons(setting: str, ours: dict[str, Any], results: Path, study: Study) -> list[str]:
    folds = folds_document(results, ours)
    kind, reasons = str(folds.get("kind") or ours["protocol"]), []
    theirs = split_of(setting)
    count = None if missing(ours["folds"]) else int(ours["folds"])
    if theirs is None:
        reasons.append("its split is not stated")
    elif not _same_split(theirs, kind, count):
        reasons.append(f"other split: {theirs}, ours {kind}" + (f" with {count} folds" if count else ""))
    subjects = subject_count(folds)
    official = official_subjects(str(ours["dataset"]), study)
    if subjects is not None and official is not None and subjects != official:
        reasons.append(f"{subjects} of {official} subjects")
    return reasons


def _size_reasons(record: dict[str, Any], ours: dict[str, Any], sizes: dict[str, float]) -> list[str]:
    """The reasons against a published number that is no score: a size, a speed, a ratio."""
    metric = record["metric"]
    if metric == "number of candidate operations":
        return []
    reasons = _network_reasons(ours, sizes)
    if metric.startswith("model size"):
        reasons.append("ours: the weights alone, 4 bytes each")
    if metric.startswith("speed"):
        reasons.append("other machine")
    if record["dataset"].startswith("all datasets"):
        reasons.append("over all datasets of the paper, ours on one task")
    return reasons


def _network_reasons(ours: dict[str, Any], sizes: dict[str, float], scored: bool = False) -> list[str]:
    """Whether a published size is of another network; of the same one with another head only beside a size."""
    method = str(ours["method"])
    family = method.partition("_")[0]  # autofernet_fes has the network of autofernet, an ensemble has several
    size = sizes.get(method) or (None if "ensemble" in method else sizes.get(family))
    if size is None or missing(ours["params"]):
        return []
    params = f"{short_count(size)} parameters, ours {short_count(ours['params'])}"
    reference = reference_params(str(ours["method"]))
    if abs(size - float(reference or ours["params"])) > SAME_SIZE * size:
        as_published = f" ({short_count(reference)} at {REFERENCE_CLASSES} classes)" if reference else ""
        return [f"other network: {params}{as_published}"]
    return [f"its head has {REFERENCE_CLASSES} classes: {params}"] if reference and not scored else []


@functools.cache
def reference_params(name: str) -> int | None:
    """Parameters of a network of torchvision as published, at 1000 classes; None for other networks."""
    from fernas.core.architecture import parse_architecture
    from fernas.spaces.complexity import params
    from fernas.spaces.named import TORCHVISION

    if name not in TORCHVISION:
        return None
    network = {"classes": REFERENCE_CLASSES, "input": REFERENCE_INPUT}
    return params(parse_architecture({"kind": "named", "name": name, "network": network}))


def _same_split(theirs: str, kind: str, folds: int | None) -> bool:
    if theirs == "LOSO":
        return kind in ("loso", "megc2019")
    if theirs == "PrivateTest":
        return kind == "official"
    return kind in ("subject_kfold", "ck48_blocks") and theirs == f"{folds} folds"


def class_count(setting: str) -> int | None:
    """The class count that a published setting names: `8 folds; 7 classes`, `PrivateTest 7-class`."""
    match = re.search(r"(\d+)[ -]class", setting)
    return int(match.group(1)) if match else None


def split_of(setting: str) -> str | None:
    """The split that a published setting names: LOSO, PrivateTest or a number of folds."""
    for name in ("LOSO", "PrivateTest"):
        if name in setting:
            return name
    match = re.search(r"(\d+) folds", setting)
    return f"{match.group(1)} folds" if match else None


def _published_sizes(table: pd.DataFrame) -> dict[str, float]:
    """Method of fernas -> published parameters, the first count that a paper prints for it."""
    sizes: dict[str, float] = {}
    for record in records_of(table[table["metric"].str.startswith("params")]):
        method, size = METHODS.get(record["method"]), _number(record["value"])
        if method and size is not None and record["unit"].startswith("M"):
            sizes.setdefault(method, 1e6 * size)
    return sizes


def _unavailable(frame: pd.DataFrame, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each system and dataset, of the study or of EmoNAS' tables, of which no accuracy is known."""
    have = {(METHODS.get(r["method"]), DATASETS.get(r["dataset"])) for r in rows if "accuracy" in r["metric"]}
    tables = {dataset: number for number, (_, datasets) in EMONAS_TABLES.items() for dataset in datasets}
    rows_without = []
    for dataset in dict.fromkeys([*frame["dataset"], *tables]):
        for title, method in SYSTEMS.items():
            if (method, dataset) in have or (dataset not in set(frame["dataset"]) and method != "emonas"):
                continue
            finished = frame[(frame["method"] == method) & (frame["dataset"] == dataset) & (frame["status"] == "ok")]
            ours = next(iter(records_of(finished.head(1))), None)
            rows_without.append(
                {
                    **dict.fromkeys(("setting", "confidence", "source"), ""),
                    **_our_part(percent(ours["accuracy"]) if ours else "-", ours),
                    "dataset": TITLES.get(dataset, dataset),
                    "method": title,
                    "metric": "accuracy",
                    "published": NOT_AVAILABLE,
                    "unit": "%",
                    "not_comparable_because": "the published number is not known here",
                    "table": f"EmoNAS {tables[dataset]}" if method == "emonas" and dataset in tables else "",
                }
            )
    return rows_without


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
