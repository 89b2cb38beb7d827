"""Speed of preparing a micro dataset of raw frames: plain decoding against detection, alignment and dynamic images.

`micro_frames_640`: clips of 640 x 480 JPEG frames with a rendered face. The other side decodes every frame once on one
thread and drops it; ours does what the pipeline does with them, faces (one detection and five landmarks per clip) and
inputs (every frame decoded once, summed, warped once), on one thread. `micro_inputs_640` leaves the faces out.
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks._common import run_pair
from fernas.core.config import FacesConfig, TaskConfig
from fernas.datasets.frames import FrameReader
from fernas.datasets.manifest import build_manifest
from fernas.datasets.tasks import task_samples
from fernas.faces.align import align_manifest
from fernas.synth import write_dataset
from fernas.views.inputs import InputSources, make_inputs

FRAMES, CLIPS = 60, 4
VIEW = {"kind": "dynamic", "size": 112, "colour": "rgb", "weights": "bilen", "span": "all"}
TASK = TaskConfig(dataset="casme_sq", classes=("negative", "positive", "surprise"), frames={"kind": "clip"}, view="v",
                  rare="keep")  # fmt: skip


def silent(items: object, **_: object) -> object:
    """No progress bar."""
    return items


class Dataset:
    """A few clips of a rendered CAS(ME)^2 with frames as large as the raw ones."""

    def __init__(self, root: Path) -> None:
        clips = {"macro": {"negative": 2, "positive": 1}, "micro": {"surprise": 1}}
        write_dataset(
            "casme_sq", root, {"subjects": 1, "size_px": 480, "frames": FRAMES, "crops": False, "seed": 1, **clips}
        )
        table = build_manifest("casme_sq", root)
        self.manifest = table[table["excluded"].isna()].head(CLIPS).reset_index(drop=True)
        self.reader = FrameReader({"casme_sq": root})
        self.samples = task_samples(self.manifest, TASK)
        self.paths = [root / ref for frames in self.manifest["frames"] for ref in frames]
        self.out = root.parent

    def faces(self) -> pd.DataFrame:
        """The faces table."""
        found, _ = align_manifest(self.manifest, self.reader.read, None, {"casme_sq": False}, FacesConfig(), silent)
        return found

    def inputs(self, faces: pd.DataFrame) -> None:
        """The dynamic images."""
        table, array = self.out / "inputs.parquet", self.out / "inputs.npy"
        sources = InputSources(self.samples, self.manifest, faces, self.reader.read)
        make_inputs(sources, VIEW, array, table, silent)

    def decode(self) -> None:
        """Every frame decoded and dropped."""
        for path in self.paths:
            cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)


def main() -> None:
    """Time both sides and print frames per second."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        dataset = Dataset(Path(name) / "dataset")
        faces = dataset.faces()
        if not (faces["status"] == "ok").all():
            raise SystemExit(f"a face was not found: {faces[['sample_id', 'status']].to_dict('records')}")
        height, width = cv2.imread(str(dataset.paths[0])).shape[:2]
        whole = run_pair("micro_frames_640", lambda: dataset.inputs(dataset.faces()), dataset.decode, rounds=5)
        run_pair("micro_inputs_640", lambda: dataset.inputs(faces), dataset.decode, rounds=5)
        count = len(dataset.paths)
        print(
            f"{CLIPS} clips, {count} frames of {width}x{height}: {count / whole['ours_s']:.0f} frames/s prepared, "
            f"{count / whole['other_s']:.0f} frames/s only decoded"
        )
    cv2.setNumThreads(before)


if __name__ == "__main__":
    main()
