"""The record of how a model's images were made."""

import pandas as pd
import pytest

from fernas.core.errors import DataError
from fernas.deploy.preprocessing import Preprocessing, read_card, read_preprocessing, shipped_crops
from tests.fixtures.crops import shipped_faces

RECORD = {"classes": ["a", "b"], "scale": "unit", "view": {"kind": "still", "size": 32}, "faces": {}, "crops": None}


def record_of(faces: pd.DataFrame) -> Preprocessing:
    crops = shipped_crops(faces["sample_id"], faces)
    return Preprocessing.model_validate({**RECORD, "crops": crops})


def test_the_eyes_of_a_photograph_come_to_lie_where_they_lie_in_most_crops():
    usual, odd = shipped_faces("abc", eye_line=0.4, eye_distance=0.35), shipped_faces("d", (96, 48), 0.6, 0.2)
    faces = record_of(pd.concat([usual, odd]))
    assert (faces.photo_faces.eye_line, faces.photo_faces.eye_distance) == (0.4, 0.35)
    assert faces.crops.eyes_found == 4 and faces.crops.width == (48, 96) and faces.crops.aspect == (1, 2)


def test_crops_without_landmarks_leave_the_canonical_face():
    faces = shipped_faces("ab").assign(landmarker="none")
    record = record_of(faces)
    assert record.crops.eyes_found == 0 and record.photo_faces == record.faces


def test_crops_that_were_aligned_need_no_geometry_of_their_own():
    record = record_of(shipped_faces("ab"))
    aligned = record.model_copy(update={"faces": record.faces.model_copy(update={"crops": "aligned"})})
    assert aligned.photo_faces == aligned.faces and aligned.photo_faces.eye_line == 0.34


def test_where_other_training_images_were_aligned_photographs_are_too():
    faces = pd.concat([shipped_faces("abc"), shipped_faces("d").assign(status="ok")])
    record = record_of(faces)
    assert record.crops.share == 0.75 and record.photo_faces == record.faces
    assert shipped_crops(["d"], faces) is None


@pytest.mark.parametrize(("size", "is_crop"), [((48, 48), True), ((90, 100), True), ((48, 100), False)])
def test_a_crop_has_size_and_aspect_of_the_training_crops(size, is_crop):
    crops = record_of(pd.concat([shipped_faces("a"), shipped_faces("b", (100, 120))])).crops
    assert crops.has_size(*size) is is_crop
    assert not crops.has_size(480, 480) and not crops.has_size(20, 20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": []}, "classes: Tuple should have at least 2 items"),
        ({"classes": ["a"] * 2}, "expected different names"),
        ({"classes": [str(k) for k in range(5000)]}, "at most 1000 items"),
        ({"classes": "ab"}, "classes: Input should be a valid tuple"),
        ({"scale": "big"}, "scale: Input should be 'symmetric', 'unit' or 'standard'"),
        ({"view": {}}, "view.kind: unknown name 'None'; known: apex"),
        ({"view": {"kind": ["still"]}}, "view.kind: unknown name"),
        ({"view": {"kind": "stil"}}, "did you mean 'still'"),
        ({"view": {"kind": "still", "size": 10**6}}, "size: Input should be less than or equal to 512, got 1000000"),
        ({"view": {"kind": "lbp_top", "size": 64}}, "view lbp_top makes features, expected a view of images"),
        ({"faces": {"preview_px": 10**5}}, "faces.preview_px: Input should be less than or equal to 512, got 100000"),
        ({"faces": {"eye_line": float("nan")}}, "faces.eye_line"),
        ({"faces": {"detectors": ["x" * 10**6]}}, "faces.detectors.0"),
        ({"crops": {}}, "crops.share: missing"),
        ({"more": 1}, "more: unknown key"),
    ],
)
def test_what_is_no_record_is_refused_in_one_line(change, message):
    with pytest.raises(DataError, match=r"^m\.json: ") as caught:
        read_preprocessing({**RECORD, **change}, "m.json")
    text = str(caught.value)
    assert message in text and "\n" not in text and len(text) <= 400


@pytest.mark.parametrize("document", [None, [], "text", 5, {}])
def test_json_of_another_kind_is_no_record(document):
    with pytest.raises(DataError, match=r"m\.json: "):
        read_preprocessing(document, "m.json")


def test_a_record_of_an_earlier_fernas_names_the_commands_that_make_a_new_one():
    old = {name: value for name, value in RECORD.items() if name != "crops"}
    with pytest.raises(DataError, match="made by an earlier fernas.*snakemake --cores all final, then fernas export"):
        read_preprocessing(old, "m.onnx")


@pytest.mark.parametrize("card", [None, [], {}, {"rendered": "yes"}])
def test_a_card_says_whether_the_faces_were_rendered(card):
    with pytest.raises(DataError, match="in which rendered is true or false"):
        read_card(card, "card.json")
    assert read_card({"rendered": False}, "card.json") == {"rendered": False}
