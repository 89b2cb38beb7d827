"""Tables: one declaration, four forms."""

import pandas as pd

from fernas.reporting import table
from fernas.reporting.formats import percent, score
from fernas.reporting.table import FILES, Column, Table


def made_up() -> Table:
    frame = pd.DataFrame(
        {
            "method": ["a|b_c", "d", "e"],
            "uar": [0.5, 0.25, None],
            "low": [0.4, None, None],
            "high": [0.6, None, None],
            "chance": 0.25,
            "status": ["ok", "ok", "failed"],
            "reason": ["", "", "out <of> memory"],
        }
    )
    columns = (
        Column("method", style="name"),
        Column("uar", "UAR [CI]", score, ("low", "high"), forms=FILES),
        Column("uar", "UAR", percent, forms="html", style=lambda row: "best" if row["uar"] == 0.5 else "worse",
               bar=("uar", "low", "high", "chance")),
    )  # fmt: skip
    return Table(
        "t", "what it shows", columns, frame, ("method", "uar"), is_first=lambda row: row["method"] == "d",
        status="status", reason="reason",
    )  # fmt: skip


def test_a_table_is_written_in_three_forms(tmp_path):
    csv, markdown, latex = made_up().write(tmp_path)
    assert csv.read_text() == "method,uar\na|b_c,0.5\nd,0.25\ne,\n"
    assert "25.0 {[}not estimable{]}" in latex.read_text()
    assert "| a\\|b_c | 50.0 [40.0, 60.0] |\n| d | 25.0 [not estimable] |\n| e | - |" in markdown.read_text()
    assert r"a|b\_c & 50.0 {[}40.0, 60.0{]} \\" in latex.read_text()
    assert latex.read_text().count("what it shows") == 1


def test_a_row_of_html_has_texts_what_sorts_and_what_colours_say():
    first, second, third = made_up().html()
    cell = first.cells[1]
    assert (cell.text, cell.sort, cell.style, cell.spoken) == ("50.0", 0.5, "best", "best")
    assert cell.bar is not None and cell.bar["low"] == 40 and cell.bar["width"] == 20 and cell.bar["chance"] == 25
    assert first.style == "" and second.style == "first" and second.cells[1].spoken == "significantly worse"
    assert (third.status, third.reason) == ("failed", "out <of> memory") and len(third.cells) == 1


def test_what_html_colours_files_mark(tmp_path):
    frame = pd.DataFrame({"method": ["a", "b"], "uar": [0.5, 0.2], "standing": ["best", "worse"]})
    columns = (Column("method"), Column("uar", text=percent, style=lambda row: row["standing"]))
    assert [row[1] for row in Table("t", "c", columns, frame).texts("md")] == ["50.0*", "20.0 (worse)"]


def test_rows_may_be_left_to_markdown_alone():
    short = Table("t", "c", (Column("a"),), pd.DataFrame({"a": [1, 2]}), is_short=lambda row: row["a"] == 2)
    assert len(short.texts("md")) == 2 and short.texts("tex") == [["2"]] and len(short.html()) == 1


def test_names_cannot_break_markdown_or_latex() -> None:
    frame = pd.DataFrame({"a": ["x|y\n<b>"]})
    assert Table("t", "c", (Column("a"),), frame).markdown().splitlines()[2] == "| x\\|y &lt;b> |"
    latex = table.latex_table(["a_b", "c"], [["50 %", "x & y"]], "cap_tion", "tab:x_y")
    assert r"a\_b & c \\" in latex and r"50 \% & x \& y \\" in latex and r"\label{tab:x-y}" in latex


def test_latex_columns_of_numbers_stand_right_and_signs_are_no_hyphens():
    latex = table.latex_table(["a", "b", "c"], [["x-1", "-2.5 [-3.0, +1.0]", "-"], ["y", "4.0", "-"]], "t", "tab:t")
    assert r"\begin{tabular}{lrl}" in latex and r"\resizebox" in latex
    assert r"x-1 & $-$2.5 {[}$-$3.0, $+$1.0{]} & - \\" in latex
    wrapped = table.latex_table(["a", "b"], [["w" * 100, "w" * 49]], "t", "tab:t")
    assert r"p{0.250\linewidth}" in wrapped and r"p{0.226\linewidth}" in wrapped  # 0.55 by roots of 100 and 49, cut
    long = table.latex_table(["a"], [["v"]] * (table.LONG + 1), "t", "tab:t")
    assert r"\begin{longtable}{l}" in long and r"\setlength{\LTcapwidth}{\linewidth}" in long
