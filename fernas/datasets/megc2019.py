"""MEGC2019: the composite of CASME II, SMIC-HS and SAMM with the classes negative, positive, surprise."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from fernas.core.errors import DataError
from fernas.datasets._base import Adapter, DatasetSpec, Options
from fernas.datasets._sheets import read_grid
from fernas.datasets.smic import clip_id

if TYPE_CHECKING:
    import pandas as pd

CLASSES = ("negative", "positive", "surprise")
RULE = {
    "casme2": {"disgust": "negative", "repression": "negative", "happiness": "positive", "surprise": "surprise"},
    "smic": {"negative": "negative", "positive": "positive", "surprise": "surprise"},
    "samm": {
        "anger": "negative", "contempt": "negative", "disgust": "negative", "fear": "negative", "sadness": "negative",
        "happiness": "positive", "surprise": "surprise",
    },
}  # fmt: skip
# clips that the challenge's list lacks although the newer coding file would class them
ABSENT = {"casme2": ("casme2/sub24/EP07_01", "casme2/sub24/EP07_04f", "casme2/sub24/EP10_03")}


class MegcOptions(Options):
    """Options of MEGC2019."""

    csv: str | None = Field(
        None, description="path of combined_3class_gt.csv; without it the challenge's rule is applied"
    )


class Megc2019(Adapter):
    """Made of the manifests of its three parts, by the challenge's rule or by its published list."""

    Config = MegcOptions
    spec = DatasetSpec(
        name="megc2019",
        title="MEGC2019 (composite)",
        kind="clips",
        classes=CLASSES,
        licence="the licences of its three parts",
        citation="See, Yap, Li, Hong, Wang: MEGC 2019 - The Second Facial Micro-Expressions Grand Challenge, FG 2019",
        homepage="https://facial-micro-expressiongc.github.io/MEGC2019/",
        subjects=68,
        counts={"negative": 250, "positive": 109, "surprise": 83},
        same_people_as=("casme2", "smic", "samm"),
        parts=("casme2", "smic", "samm"),
        labels={f"{part}: {raw}": word for part, rule in RULE.items() for raw, word in rule.items()},
        layout=(
            "the files of CASME II, SMIC-HS and SAMM, each below its own root",
            "combined_3class_gt.csv (optional; dataset,subject,filename,class without a header, 442 rows)",
        ),
        frame_rule="as in the parts; SMIC's apex is the middle frame",
        protocol="leave one subject out over 68 subjects, predictions pooled; UF1 and UAR over all and per part",
        tasks={"megc2019-3": {"classes": CLASSES, "frames": {"kind": "clip"}}},
        notes=(
            "the official spelling of SMIC's and SAMM's subjects in the csv is unsure: ids are normalised",
            "without the csv: clips of CASME II with no annotated apex or with onset = apex are left out",
        ),
    )

    def options_at(self, root: Path, options: Mapping[str, Any] | None) -> dict[str, Any]:
        """The options, with the published list where it is in the root."""
        published = root / "combined_3class_gt.csv"
        default = {"csv": str(published)} if published.is_file() else {}
        return {**default, **(options or {})}

    def merge(self, parts: "dict[str, pd.DataFrame]", options: MegcOptions) -> "pd.DataFrame":
        """The composite's manifest; ids, subjects, dataset and frames stay those of the parts."""
        from fernas.datasets._rows import merged

        problems: list[str] = []
        chosen = _from_csv(parts, Path(options.csv), problems) if options.csv else _by_rule(parts, problems)
        return merged(chosen, problems)


def _by_rule(parts: "dict[str, pd.DataFrame]", problems: list[str]) -> "list[pd.DataFrame]":
    """The rows of each part that the challenge's rule maps to one of its classes."""
    chosen = []
    for name in PLUGIN.spec.parts:
        part = parts[name].copy()
        labels = [RULE[name].get(str(label)) for label in part["label"]]
        keep = [label is not None for label in labels]
        if name == "casme2":
            keep = [k and i not in ABSENT[name] for k, i in zip(keep, part["sample_id"], strict=True)]
            # the challenge dropped clips of CASME II in which nothing moves up to the apex
            flat = (part["apex_source"] == "middle") | (part["onset"] == part["apex"]).fillna(False).astype(bool)
            out = [str(i) for i, k, f in zip(part["sample_id"], keep, flat, strict=True) if k and f]
            if out:
                problems.append(f"left out by the challenge's rule (no apex, or onset = apex): {', '.join(out)}")
            keep = [k and not f for k, f in zip(keep, flat, strict=True)]
        part["label"] = labels
        chosen.append(part[keep])
    return chosen


def _from_csv(parts: "dict[str, pd.DataFrame]", path: Path, problems: list[str]) -> "list[pd.DataFrame]":
    """The published list; a row whose clip is not in its part is kept and excluded."""
    import pandas as pd

    from fernas.datasets.manifest import COLUMNS, typed

    index = {name: {str(i).lower(): at for at, i in enumerate(part["sample_id"])} for name, part in parts.items()}
    rows: list[dict[str, object]] = []
    row_of: dict[str, int] = {}
    for number, cells in enumerate(read_grid(path), start=1):
        if not any(cells):
            continue
        where = f"{path}: row {number}"
        if number == 1 and [c.lower() for c in cells[:2]] == ["dataset", "subject"]:
            continue
        if len(cells) < 4 or cells[3] not in ("0", "1", "2"):
            raise DataError(
                f"{where}: got {','.join(cells)!r}, expected dataset,subject,filename,class with class 0, 1 or 2"
            )
        name = cells[0].lower().replace(" ", "").replace("casmeii", "casme2")
        if name not in RULE:
            raise DataError(f"{where}: unknown dataset {cells[0]!r}, expected one of {', '.join(RULE)}")
        # the list circulates with s1 and s01, 6 and 006
        subject, clip = _ids(name, cells[1], cells[2], where)
        identity = f"{name}/{subject}/{clip}"
        if identity in row_of:
            raise DataError(f"{where}: {identity} is already in row {row_of[identity]}")
        row_of[identity] = number
        label = CLASSES[int(cells[3])]
        at = index[name].get(identity.lower())
        if at is None:
            problems.append(f"{where}: {identity} is not among the files of {name}")
            known = {"sample_id": identity, "dataset": name, "subject": f"{name}/{subject}", "group": identity}
            why = f"not among the files of {name}"
            # excluded rather than dropped: the audit shows that a published clip is missing
            rows.append({**known, "label": label, "raw_label": cells[3], "kind": "clip", "frames": [], "excluded": why})
            continue
        row = {str(key): value for key, value in parts[name].iloc[at].to_dict().items()}
        if RULE[name].get(str(row["label"])) != label:
            problems.append(
                f"{where}: {identity} is {label}, but the coding file says {row['label']}; the list decides"
            )
        rows.append({**row, "label": label})
    return [typed([{k: (None if v is pd.NA else v) for k, v in row.items()} for row in rows], COLUMNS)]


def _ids(name: str, subject: str, clip: str, where: str) -> tuple[str, str]:
    """Subject and clip of a row of the list in the spelling of the part's adapter."""
    digits = "".join(c for c in subject if c.isdigit())
    if not digits:
        raise DataError(f"{where}: got subject {subject!r}, expected a number in it")
    number = int(digits)
    if name == "casme2":
        return f"sub{number:02d}", clip
    if name == "smic":
        return f"s{number}", clip_id(clip)
    return f"{number:03d}", clip if clip.startswith(f"{number:03d}_") else f"{number:03d}_{clip.partition('_')[2]}"


PLUGIN = Megc2019()
