"""Settings of all tests: one thread for numerical libraries, no time limits of hypothesis."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from hypothesis import HealthCheck, settings  # noqa: E402 - libraries read the variables above when imported

# Tests share the cores of the machine with other work, so neither time limits nor slow first draws are failures.
settings.register_profile("fernas", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fernas")
