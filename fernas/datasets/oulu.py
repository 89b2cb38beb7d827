"""Oulu-CASIA: posed sequences from neutral to apex under three lightings and two cameras."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field

from fernas.datasets._base import Adapter, Collected, DatasetSpec, Options
from fernas.datasets._folders import empty_sample, folder_clips, sequence_to_apex
from fernas.datasets._labels import BASIC, canonical, is_word
from fernas.datasets._tree import Tree

SEQUENCE = r"(?P<camera>VL|NI)(?P<crop>_A?cropped)?/(?P<light>Strong|Weak|Dark)/(?P<subject>P\d{3})/(?P<word>[^/]+)"


class OuluOptions(Options):
    """Options of Oulu-CASIA."""

    camera: Literal["VL", "NI"] = Field("VL", description="visible light or near infra-red")
    lighting: Literal["Strong", "Weak", "Dark"] = Field("Strong", description="which lighting")
    images: Literal["auto", "original", "cropped"] = Field(
        "auto", description="whole images or eye-aligned crops; auto: the tree with most sequences; if equal original"
    )


class Oulu(Adapter):
    """Reads `OriginalImg/VL/Strong/P001/Anger/000.jpeg` or `PreProcess_Img/VL_Acropped/Strong/...`."""

    Config = OuluOptions
    spec = DatasetSpec(
        name="oulu",
        title="Oulu-CASIA (VL, Strong; others by option)",
        kind="sequences",
        classes=BASIC,
        licence="signed agreement with the University of Oulu, academic use only",
        citation="Zhao, Huang, Taini, Li, Pietikainen: Facial expression recognition from NIR videos, IVC 2011",
        homepage="https://www.oulu.fi/cmvs",
        fps=25.0,
        subjects=80,
        counts={name: 80 for name in BASIC},
        layout=("OriginalImg/VL/Strong/P001/Anger/000.jpeg", "PreProcess_Img/VL_Acropped/Strong/P001/Anger/000.jpeg"),
        frame_rule="the sequence ends at its apex: the last 3 frames carry the label, the first ones are neutral",
        protocol="10-fold by subject on VL Strong, 6 or 7 classes; accuracy",
        tasks={
            "oulu-6": {"classes": BASIC, "frames": {"kind": "peak", "peak": 3, "neutral": 0}},
            "oulu-7n": {"classes": (*BASIC, "neutral"), "frames": {"kind": "peak", "peak": 3, "neutral": 1}},
        },
        notes=(
            "480 sequences per camera and lighting are from memory; one loader found 479 in the cropped VL Strong",
            "the name of the folder of crops differs between releases",
        ),
    )

    def collect(self, root: Path, options: OuluOptions) -> Collected:
        """One sample per sequence of the chosen camera and lighting."""
        tree = Tree.walk(root)

        def wanted(match: re.Match[str]) -> bool:
            # one camera and one lighting: the others show the same subjects again
            chosen = (match["camera"].upper(), match["light"].lower()) == (options.camera, options.lighting.lower())
            return chosen and is_word(match["word"], BASIC)

        sequences = folder_clips(
            tree,
            SEQUENCE,
            lambda m: (m["subject"].upper(), m["word"].capitalize()),
            wanted,
            lambda m: "cropped" if m["crop"] else "original",
            ("original", "cropped") if options.images == "auto" else (options.images,),
            file=r"[^/]*\d",
        )
        samples = []
        for (subject, word), clip in sequences.images.clips.items():
            samples.append(sequence_to_apex(subject, word, canonical(word, BASIC, clip.refs[0]), word, clip))
        for (subject, word), folder in sequences.empty.items():
            samples.append(empty_sample(subject, word, canonical(word, BASIC, folder), word))
        odd = {m["word"] for m in tree.find_folders(SEQUENCE) if not is_word(m["word"], BASIC)}
        if odd:
            sequences.problems.append(f"folders that are no emotion, not used: {', '.join(sorted(odd))}")
        return Collected(samples, tree.problems + sequences.problems, sources=sequences.images.sources())


PLUGIN = Oulu()
