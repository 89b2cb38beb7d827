"""Micro-expression datasets: rows of a coding file joined with the images of their clips."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fernas.core.errors import DataError
from fernas.datasets._base import Sample, locate
from fernas.datasets._tree import Clip, Images, summarise

Key = tuple[str, ...]


@dataclass
class Coded:
    """One row of a coding file, frame numbers as annotated."""

    subject: str
    clip: str
    label: str | None
    raw_label: str
    onset: int | None
    apex: int | None
    offset: int | None
    where: str
    attributes: dict[str, Any] = field(default_factory=dict)
    excluded: str | None = None


def join(
    coded: list[Coded],
    images: Images,
    key: Callable[[Coded], Key],
    missing_apex: str = "middle",
    fixes: Mapping[Key, Mapping[str, int | None]] | None = None,
    only_span: bool = False,
) -> tuple[list[Sample], list[str]]:
    """Coded rows + images -> samples; rows without images are excluded, clips without rows are said.

    Args:
        coded: rows of the coding file.
        images: clips by key.
        key: which clip a row means.
        missing_apex: `middle` or `exclude`.
        fixes: key -> known corrections of onset, apex or offset, tried only where the annotation contradicts itself.
        only_span: keep only the images from onset to offset (long videos).
    """
    samples: list[Sample] = []
    problems = list(images.problems)
    used: set[Key] = set()
    seen: dict[tuple[str, str], list[Coded]] = {}
    for row in coded:
        name = key(row)
        earlier = seen.setdefault((row.subject, row.clip), [])
        same = next((r for r in earlier if (r.onset, r.apex, r.offset) == (row.onset, row.apex, row.offset)), None)
        if same is not None:
            if same.raw_label != row.raw_label:
                raise DataError(
                    f"{row.where}: repeats {same.where.rsplit(': ', 1)[-1]} with another label, {row.raw_label!r}"
                )
            problems.append(f"{row.where}: repeats {same.where.rsplit(': ', 1)[-1]}, used once")
            continue
        clip = row.clip if not earlier else f"{row.clip}@{row.onset}"
        earlier.append(row)
        sample = Sample(
            clip=clip,
            subject=row.subject,
            group=f"{row.subject}/{row.clip}",
            frames=[],
            label=row.label,
            raw_label=row.raw_label,
            kind="clip",
            attributes=row.attributes,
            excluded=row.excluded,
        )
        samples.append(sample)
        told = f"{row.subject}/{clip}"
        found = images.clips.get(name)
        if found is None:
            sample.excluded = sample.excluded or f"no images of clip {row.subject}/{row.clip}"
            problems.append(f"{row.where}: {told}: {sample.excluded}")
            continue
        used.add(name)
        fields, notes = _located(row, found, missing_apex, (fixes or {}).get(name))
        problems += [f"{told}: {note}" for note in notes]
        sample.frames = list(found.refs)
        for attribute in ("onset", "apex", "offset", "apex_source"):
            setattr(sample, attribute, fields[attribute])
        sample.excluded = sample.excluded or fields["excluded"]
        if sample.excluded:
            problems.append(f"{row.where}: {told}: {sample.excluded}")
        elif fields["apex_source"] == "middle":
            problems.append(f"{row.where}: {told}: no apex annotated, took the middle frame")
        if only_span and sample.onset is not None and sample.offset is not None:
            _cut(sample)
    left = [f"{c.base}/{'/'.join(k)}".lstrip("/") for k, c in images.clips.items() if k not in used]
    if left:
        problems.append(f"{len(left)} clips have images but no row in the coding file: {summarise(left)}")
    return samples, problems


def _located(
    row: Coded, clip: Clip, missing_apex: str, fix: Mapping[str, int | None] | None
) -> tuple[dict[str, Any], list[str]]:
    fields, notes = locate(clip, row.onset, row.apex, row.offset, missing_apex)
    if fields["excluded"] is None or fix is None:
        return fields, notes
    values = {"onset": row.onset, "apex": row.apex, "offset": row.offset, **fix}
    better, more = locate(clip, values["onset"], values["apex"], values["offset"], missing_apex)
    if better["excluded"] is not None:
        return fields, notes
    told = ", ".join(f"{name} {value if value is not None else 'middle'}" for name, value in fix.items())
    return better, [*more, f"{fields['excluded']}: known correction applied ({told})"]


def _cut(sample: Sample) -> None:
    start, end = int(sample.onset or 0), int(sample.offset or 0)
    sample.frames = sample.frames[start : end + 1]
    sample.apex = None if sample.apex is None else sample.apex - start
    sample.onset, sample.offset = 0, end - start
