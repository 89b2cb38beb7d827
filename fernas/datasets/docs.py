"""The pages of docs/datasets/, generated from the adapters: `python -m fernas.datasets.docs docs/datasets`."""

import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fernas.core import plugins
from fernas.core.io import write_text
from fernas.datasets._base import Adapter, DatasetSpec

KINDS = {"stills": "still images", "sequences": "sequences, used by their frames", "clips": "micro-expression clips"}
HEAD = "<!-- generated from fernas/datasets/{name} by: python -m fernas.datasets.docs docs/datasets -->"


def pages() -> dict[str, str]:
    """File name -> markdown of all pages: one per adapter and the overview."""
    adapters = {name: plugins.load("datasets", name) for name in plugins.available("datasets")}
    specs = {name: adapter.spec for name, adapter in adapters.items()}
    texts = {f"{name}.md": page(adapter, _relatives(name, specs)) for name, adapter in adapters.items()}
    return {**texts, "README.md": overview(specs), "unsure.md": unsure(specs)}


def _relatives(name: str, specs: Mapping[str, DatasetSpec]) -> list[str]:
    """Datasets that share subjects with one, whichever of the two says so."""
    declared = list(specs[name].same_people_as)
    # the relation is stated by one of the two adapters, but holds for both
    return declared + [other for other, spec in specs.items() if name in spec.same_people_as and other not in declared]


def page(adapter: Adapter, relatives: Sequence[str]) -> str:
    """The page of one dataset; `relatives` share subjects with it."""
    spec = adapter.spec
    lines = [HEAD.format(name=f"{spec.name}.py"), f"# {spec.title}", "", *_table(("", ""), _facts(spec, relatives))]
    if spec.counts:
        lines += ["", "## Published counts", ""]
        lines += _table(("class", "samples"), [*spec.counts.items(), ("all", sum(spec.counts.values()))])
        if spec.splits:
            lines += ["", *_table(("official split", "samples"), list(spec.splits.items()))]
    lines += ["", "## What the adapter reads", "", *[_item(_code(line)) for line in spec.layout]]
    lines += [
        "",
        "The adapter ignores wrapper folders, doubled top folders, the case of names and the files that file managers",
        "leave behind.",
    ]
    lines += ["", "## Frames and protocol", "", _item(_sentence(spec.frame_rule)), _item(_sentence(spec.protocol))]
    if spec.labels:
        lines += ["", "## Labels", ""]
        lines += _table(("in the files", "class"), [(f"`{raw}`", word) for raw, word in spec.labels.items()])
    lines += ["", "## Options", "", "Keys of `options:` of the dataset in a config.", "", *_options(adapter)]
    if spec.tasks:
        lines += ["", "## Tasks", "", "Class sets and frame rules of the papers, for `tasks:` of a config.", ""]
        lines += ["```yaml", *_tasks(spec), "```"]
    if spec.notes:
        lines += ["", "## Not verified without the licensed files", ""]
        lines += [_item(_sentence(note)) for note in spec.notes]
    lines += ["", "Check your files: " + f"`fernas check-data {spec.name} FOLDER`."]
    return "\n".join(lines) + "\n"


def _facts(spec: DatasetSpec, relatives: Sequence[str]) -> list[tuple[str, Any]]:
    """Name and value of the facts at the top of a page."""
    facts: list[tuple[str, Any]] = [
        ("name in config.yaml", f"`{spec.name}`"),
        ("kind", KINDS[spec.kind]),
        ("classes", ", ".join(spec.classes) or "yours"),
        ("subjects", spec.subjects if spec.subjects is not None else "not named" if spec.kind == "stills" else "-"),
        ("frames per second", f"{spec.fps:g}" if spec.fps else "-"),
        ("aligned crops (no detection)", "yes" if spec.ships_crops else "no"),
        ("shares subjects with", ", ".join(f"[{other}]({other}.md)" for other in relatives) or "-"),
        ("licence", spec.licence),
        ("how to get it", spec.homepage),
        ("cite", spec.citation),
    ]
    if spec.parts:
        facts.insert(2, ("made of", ", ".join(f"[{part}]({part}.md)" for part in spec.parts)))
    return facts


def overview(specs: Mapping[str, DatasetSpec]) -> str:
    """The page that lists all datasets and explains private ones."""
    rows = [
        (
            f"[{spec.title}]({name}.md)",
            f"`{name}`",
            KINDS[spec.kind].split(",")[0],
            len(spec.classes) or "yours",
            spec.subjects or "-",
            sum(spec.counts.values()) or "-",
        )
        for name, spec in specs.items()
    ]
    lines = [HEAD.format(name="*.py"), "# Datasets", ""]
    lines += [
        "fernas downloads nothing. You get a dataset from its owners under their licence, or fernas renders synthetic",
        "faces in the same layout. `fernas check-data NAME FOLDER` reads your files and reports what is missing or",
        "odd.",
        "",
    ]
    lines += _table(("dataset", "name", "kind", "classes", "subjects", "samples"), rows)
    lines += ["", *PRIVATE.strip().split("\n")]
    return "\n".join(lines) + "\n"


def unsure(specs: Mapping[str, DatasetSpec]) -> str:
    """The page of facts that were not verified without the licensed files."""
    lines = [HEAD.format(name="*.py"), "# Facts not verified without the licensed files", ""]
    lines += [
        "The adapters were written from public descriptions, from the loaders and annotation files of other projects,",
        "and not from the datasets themselves. The facts below could not be verified. If your files differ,",
        "`fernas check-data` names the file.",
        "",
    ]
    for name, spec in specs.items():
        if spec.notes:
            lines += [f"## [{spec.title}]({name}.md)", "", *[_item(_sentence(note)) for note in spec.notes], ""]
    return "\n".join(lines).rstrip() + "\n"


PRIVATE = """
[unsure.md](unsure.md) lists the facts that were not verified without the licensed files. [datasets.md](../datasets.md)
says what each target costs, how protocols across datasets are written, and how fast large datasets are read.
The figure shows frames of the rendered datasets as they are on disk, onset and apex side by side.

![frames of the rendered datasets](../images/datasets.jpg)

## A private dataset

Write a table (csv, parquet or xlsx) with one row per sample. `root` is the folder that its paths are relative to.

```
path,label,subject,split,onset,apex,offset,group
clips/ann_01,happiness,ann,train,12,20,31,session1
stills/bob 3.jpg,anger,bob,test,,,,
```

`path` is an image, a folder of frames or a video. Only `path` and `label` are required. With `subject`,
subject-independent protocols are possible; with `split`, the official one. Frame numbers are those in the file names
(of a video: counted from 1).

The columns `sex`, `race`, `age`, `skin_tone`, `glasses` and `beard` are optional. Where they are present, the report
compares recall between these demographic groups.

```yaml
datasets:
  lab: {adapter: custom, source: real, root: /data/lab, options: {file: list.csv}}
  street: {adapter: custom, source: real, root: /data/street}
  both: {parts: [lab, street]}        # several datasets as one, for protocols across datasets
```

The names are yours, and `snakemake --cores all lab` runs the tasks of `lab`. Any adapter can serve several names: two
cameras of SMIC are two datasets with `adapter: smic`. Of two datasets that share subjects, one may not be
in the train split while the other is in the test split. The adapters know the published overlaps;
`same_people_as: [other]` adds yours.

## Your own boxes or landmarks

Every adapter has the option `own_crops`: a csv with `sample_id` or `path` and the columns `x0, y0, x1, y1` (a box) or
`left_eye_x, left_eye_y, right_eye_x, right_eye_y, nose_x, nose_y` (landmarks), in pixels of the source image. To use
them before any detector, put `dataset_box` first in `faces.detectors` and `dataset` first in `faces.landmarkers`.
"""


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]


def _code(line: str) -> str:
    """The file pattern before the bracket as code."""
    name, bracket, rest = line.partition(" (")
    return f"`{name}`{' (' + rest if bracket else ''}" if "`" not in name else line


def _sentence(text: str) -> str:
    first = text.split(" ", 1)[0]
    # file names and versions at the start keep their case
    start = text if any(c.isdigit() or c in "_/." for c in first) else text[:1].upper() + text[1:]
    return start + ("" if text.endswith((".", "!")) else ".")


def _item(text: str) -> str:
    """An item of a list, wrapped at 120 characters."""
    return textwrap.fill(f"- {text}", 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _options(adapter: Adapter) -> list[str]:
    rows = []
    for name, key in adapter.Config.model_fields.items():
        # the rule of DISFA is a table of conditions, too long for a cell
        default = "a rule, see the adapter" if isinstance(key.default, dict) else f"`{key.default}`"
        rows.append((f"`{name}`", default, key.description))
    return _table(("option", "default", "meaning"), rows)


def _tasks(spec: DatasetSpec) -> list[str]:
    lines = []
    for name, task in spec.tasks.items():
        lines += [f"{name}:", f"  dataset: {spec.name}", f"  classes: [{', '.join(task['classes'])}]"]
        if task.get("label_map"):
            pairs = ", ".join(f"{raw}: {word}" for raw, word in task["label_map"].items())
            lines.append("  label_map: {" + pairs + "}")
        lines.append("  frames: {" + ", ".join(f"{key}: {value}" for key, value in task["frames"].items()) + "}")
        # names of views in the shipped configs, so that the block can be pasted into one
        lines.append(f"  view: {'dyn-bilen-rgb48' if task['frames']['kind'] == 'clip' else 'still-rgb48'}")
    return lines


def write(folder: Path | str) -> None:
    """Write all pages into a folder."""
    for name, text in pages().items():
        write_text(Path(folder) / name, text)


if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1 else "docs/datasets")
