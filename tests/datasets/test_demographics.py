"""Groups of samples from what a dataset publishes and from what was rendered."""

from fernas.datasets.demographics import sample_groups
from fernas.datasets.manifest import build_manifest
from fernas.synth import write_dataset
from tests.fixtures.dataset_trees.files import write_image, write_text
from tests.fixtures.dataset_trees.rafdb import write_rafdb


def test_attributes_of_raf_db_become_columns(tmp_path):
    write_rafdb(tmp_path, "original")
    table = build_manifest("rafdb", tmp_path)
    groups = sample_groups(table)
    assert list(groups["sample_id"]) == list(table["sample_id"])
    assert set(groups.columns) == {"sample_id", "sex", "race", "age"}
    assert set(groups["sex"].dropna()) <= {"male", "female", "unsure"}


def test_the_skin_tone_of_rendered_faces_comes_from_the_renderer(tmp_path):
    truth = write_dataset("jaffe", tmp_path / "dataset", {"subjects": 4, "variety": 1.0})
    table = build_manifest("jaffe", tmp_path / "dataset")
    groups = sample_groups(table, [truth])
    assert set(groups["skin_tone"]) <= {"light", "medium", "dark"} and groups["skin_tone"].notna().all()
    per_person = groups.assign(subject=table["subject"]).groupby("subject")["skin_tone"].nunique()
    assert (per_person == 1).all()
    assert "skin_tone" not in sample_groups(table).columns


def test_columns_of_an_own_table_are_attributes(tmp_path):
    for n in range(4):
        write_image(tmp_path / f"{n}.png", (20, 20), n)
    rows = ["path,label,subject,Gender,skin tone,spectacles,hat"]
    rows += [f"{n}.png,{'ab'[n % 2]},p{n},{'mf'[n % 2]},{'' if n else 'dark'},{'ny'[n % 2]},yes" for n in range(4)]
    write_text(tmp_path / "list.csv", "\n".join(rows) + "\n")
    groups = sample_groups(build_manifest("custom", tmp_path))
    assert groups["sex"].tolist() == ["m", "f", "m", "f"] and groups["skin_tone"].tolist() == ["dark", None, None, None]
    assert groups["glasses"].tolist() == ["n", "y", "n", "y"]
    assert set(groups.columns) == {"sample_id", "sex", "skin_tone", "glasses"}
