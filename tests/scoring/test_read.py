import numpy as np
import pandas as pd
import pytest

from fernas.core.errors import DataError
from fernas.core.io import write_parquet
from fernas.scoring.read import read_predictions
from tests.fixtures.predictions import megc2019, predictions


def test_csv_and_parquet_give_the_same_table(tmp_path):
    table = predictions()
    table.to_csv(tmp_path / "p.csv", index=False)
    write_parquet(tmp_path / "p.parquet", table)
    csv, parquet = read_predictions(tmp_path / "p.csv"), read_predictions(tmp_path / "p.parquet")
    assert csv.pop("dataset").eq("d").all()
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False)


def test_windows_line_ends_a_byte_order_mark_and_leading_zeros_are_read(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes(
        b"\xef\xbb\xbfsample_id,subject,fold,label,p_a,p_b\r\n1,006,0,a,0.5,0.5\r\n2,07,0,b,0.25,0.75\r\n3,NA,0,b,0,1\r\n"
    )
    table = read_predictions(path)
    assert table["subject"].tolist() == ["006", "07", "NA"] and table["p_b"].tolist() == [0.5, 0.75, 1]


def test_classes_set_the_order_of_the_columns(tmp_path):
    write_parquet(tmp_path / "p.parquet", predictions())
    table = read_predictions(tmp_path / "p.parquet", ["c", "a", "b"])
    assert [c for c in table.columns if c.startswith("p_")] == ["p_c", "p_a", "p_b"]


def changed(column, value, row=4):
    table = megc2019().astype({"fold": object, "p_negative": object})
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (changed("label", "surprize"), r"row 5 .*unknown label 'surprize' \(did you mean 'surprise'\?\)"),
        (changed("label", None), "row 5 .*label is empty"),
        (changed("p_negative", 1.2), "row 5 .*p_negative is 1.2, expected a probability between 0 and 1"),
        (changed("p_negative", "x"), "row 5 .*p_negative is 'x', expected a probability"),
        (changed("p_negative", np.nan), "row 5 .*p_negative is nan, expected a probability"),
        (changed("p_negative", 0.001), "row 5 .*the probabilities sum to"),
        (pd.concat([megc2019(), megc2019().iloc[:1]]), "row 443 .*the sample occurs twice in fold samm-0"),
        (megc2019().rename(columns={"label": "lable"}), r"no column 'label' \(did you mean 'lable'\?\)"),
        (megc2019().drop(columns=["p_negative", "p_positive"]), "1 columns p_<class>"),
        (megc2019().iloc[:0], "no rows"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, table, says):
    table.to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(DataError, match=says) as caught:
        read_predictions(tmp_path / "p.csv")
    assert "p.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_rounded_probabilities_are_accepted(tmp_path):
    megc2019().round(3).to_csv(tmp_path / "p.csv", index=False)
    assert len(read_predictions(tmp_path / "p.csv")) == 442


def test_broken_absent_and_empty_files_are_named(tmp_path):
    (tmp_path / "broken.csv").write_bytes(b'sample_id,fold\n"1,0\n')
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "empty.parquet").write_bytes(b"")
    for name, says in (
        ("broken.csv", "broken.csv"),
        ("broken.parquet", "not a readable parquet"),
        ("empty.parquet", "empty file"),
        ("absent.csv", "no such file"),
        ("absent.parquet", "no such file"),
    ):
        with pytest.raises(DataError, match=says):
            read_predictions(tmp_path / name)
    write_parquet(tmp_path / "p.parquet", predictions())
    with pytest.raises(DataError, match="probabilities of a, b, c; expected those of a, b"):
        read_predictions(tmp_path / "p.parquet", ["a", "b"])
