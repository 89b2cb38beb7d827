"""Datasets without annotation files: subject and expression are in the names of the folders."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from fernas.datasets._base import Sample
from fernas.datasets._tree import IMAGE, Clip, Images, Tree, collect_clips, summarise

Key = tuple[str, ...]


@dataclass
class FolderClips:
    """Clips by key, keys whose folder is empty, and what is odd."""

    images: Images
    empty: dict[Key, str]
    problems: list[str] = field(default_factory=list)


def folder_clips(
    tree: Tree,
    folder: str,
    key: Callable[[re.Match[str]], Key],
    wanted: Callable[[re.Match[str]], bool],
    kind_of: Callable[[re.Match[str]], str] = lambda match: "images",
    kinds: tuple[str, ...] = ("images",),
    file: str = "[^/]+?",
) -> FolderClips:
    """Clips whose folder path matches `folder`, and matching folders without images.

    Args:
        tree: the dataset root.
        folder: pattern of the clip folder below any base.
        key: what identifies a clip.
        wanted: False for folders to leave out without a report (another camera).
        kind_of: which of several trees a match belongs to.
        kinds: the trees that may be used, in order.
        file: pattern of the images' names without their extension.
    """
    pattern = folder + "/(?P<file>" + file + IMAGE + ")"
    # the empty kind is in no list of kinds, so images of unwanted folders drop out
    images = collect_clips(tree, pattern, key, lambda m: kind_of(m) if wanted(m) else "", kinds)
    empty: dict[Key, str] = {}
    for match in tree.find_folders(folder):
        name = key(match)
        # only empty folders of the tree that is used: another tree may lack what this one has
        if wanted(match) and name not in images.clips and images.kind in ("", kind_of(match)):
            empty.setdefault(name, match.string)
    problems = list(images.problems)
    if empty:
        problems.append(f"{len(empty)} clip folders without images: {summarise(empty.values())}")
    return FolderClips(images, empty, problems)


def empty_sample(subject: str, clip: str, label: str | None, raw: str, group: str | None = None) -> Sample:
    """The excluded row of a clip folder without images."""
    return Sample(
        clip=clip, subject=subject, group=group, frames=[], label=label, raw_label=raw, kind="clip",
        excluded="no images in the clip's folder",
    )  # fmt: skip


def sequence_to_apex(subject: str, clip: str, label: str, raw: str, images: Clip) -> Sample:
    """A sequence from neutral to its apex, the last frame."""
    last = len(images.refs) - 1
    return Sample(
        clip=clip, subject=subject, frames=list(images.refs), label=label, raw_label=raw, kind="clip", onset=0,
        apex=last, offset=last, apex_source="last",
    )  # fmt: skip


def sequence_and_back(subject: str, clip: str, label: str, raw: str, images: Clip) -> Sample:
    """A sequence from neutral over an apex that nobody annotated (the middle frame) back to neutral."""
    sample = sequence_to_apex(subject, clip, label, raw, images)
    sample.apex, sample.apex_source = (len(images.refs) - 1) // 2, "middle"
    return sample
