"""What people read: comparison tables, statistics, figures and the HTML report.

`compare` computes every table once and writes it; `report` only reads those files and draws. `table` declares what a
column and a table are. Nothing that a stage depends on is written here.
May import core, metrics, spaces, learn, scoring and study.
"""
