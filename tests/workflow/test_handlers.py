"""What a run that failed tells the shell: 2 where the user can mend it, Snakemake's 1 otherwise."""

import pytest

from fernas.workflow.handlers import users_fault

FAILED = "Command 'set -euo pipefail; python x.py' returned non-zero exit status {}."


@pytest.mark.parametrize(
    ("statuses", "expected"), [([2], True), ([2, 2], True), ([1], False), ([2, 1], False), ([12], False), ([], False)]
)
def test_bad_data_is_status_2_only_where_nothing_else_failed(tmp_path, statuses, expected):
    log = tmp_path / "run.log"
    log.write_text("\n".join(["rule a:", *(FAILED.format(status) for status in statuses), "Exiting"]))
    assert users_fault([str(log)]) is expected


def test_a_log_that_is_gone_changes_nothing(tmp_path):
    assert not users_fault([str(tmp_path / "absent.log")]) and not users_fault([])
