"""A job whose Snakemake is gone."""

import os
import subprocess
import sys
import time
from pathlib import Path


def test_a_job_notices_that_its_snakemake_is_gone(tmp_path):
    """A process that calls itself snakemake starts a shell that starts a job, and is killed."""
    job = (
        "import time; from fernas.core import interrupt; from fernas.workflow import parent; parent.watch_snakemake()\n"
        "interrupt.ASK_EVERY_S = 0.05\n"
        "assert interrupt._watched and not interrupt.requested(); print('up', flush=True)\n"
        "while not interrupt.requested(): time.sleep(0.02)\n"
        f"open({str(tmp_path / 'told')!r}, 'w').write('told')\n"
    )
    (tmp_path / "job.py").write_text(job)
    head = f"import subprocess, sys; subprocess.run(['bash', '-c', sys.executable + ' {tmp_path}/job.py; true'])"
    process = subprocess.Popen(
        [sys.executable, "-c", head, "snakemake"], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    try:
        assert process.stdout.readline() == b"up\n"
        assert not (tmp_path / "told").exists()
    finally:
        process.kill()
        process.wait()
    end = time.monotonic() + 20
    while not (tmp_path / "told").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert (tmp_path / "told").exists()
