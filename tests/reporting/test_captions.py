"""Captions: how many subjects of how many, also for datasets with names of their own."""

from fernas.reporting.captions import official_subjects, subject_caption
from tests.fixtures.made_up_results import study_document
from tests.reporting.conftest import study_of


def test_synthetic_faces_and_the_number_of_subjects_are_named() -> None:
    note = "synthetic faces: no statement about real people"
    assert subject_caption(68, 12, True) == f"12 of 68 subjects, rendered ({note})"
    assert subject_caption(None, 12, False) == "12 subjects" and subject_caption(68, None, False) == ""


def test_a_dataset_with_a_name_of_its_own_has_the_subjects_of_its_adapter() -> None:
    document = study_document()
    document["datasets"]["smic_vis"] = {"adapter": "smic"}
    document["datasets"]["lab"] = {"adapter": "custom", "source": "real", "root": "/x"}
    document["datasets"]["both"] = {"parts": ["smic_vis", "samm"]}
    study = study_of(document)
    assert official_subjects("smic_vis", study) == official_subjects("smic", study) == 16
    assert official_subjects("lab", study) is None and official_subjects("both", study) is None
    assert official_subjects("ckplus", study) == 118
