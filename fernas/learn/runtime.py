"""Device, threads, determinism, memory: what every heavy job sets up first."""

import resource
import time
from typing import Any

import torch

from fernas.core.errors import ConfigError
from fernas.core.seeds import seed_everything


def pick_device(name: str) -> torch.device:
    """`auto` (a GPU where there is one), `cpu` or `cuda`; a ConfigError when `cuda` is asked for and absent."""
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device: expected auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: cuda is asked for, but no usable GPU was found")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def prepare(seed: int, threads: int, device: str) -> torch.device:
    """Seed all generators, limit torch's threads, choose deterministic algorithms; returns the device.

    The same seed gives the same bits on one machine with the same number of threads.
    """
    torch.set_num_threads(threads)
    # cudnn's search for the fastest kernel, and TF32, depend on the machine's load and hide differences between runs
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    seed_everything(seed)
    return pick_device(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the accelerator's or the machine's memory did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and ("out of memory" in str(error) or "can't allocate memory" in str(error))


def random_state(generator: torch.Generator, device: torch.device) -> dict[str, Any]:
    """Where the random numbers of a job stand in the middle of an epoch: torch's own and those of `generator`."""
    state = {"torch": torch.get_rng_state(), "generator": generator.get_state()}
    return {**state, "cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def load_random_state(state: dict[str, Any], generator: torch.Generator, device: torch.device) -> None:
    """Continue the random numbers where `random_state` was taken."""
    torch.set_rng_state(state["torch"])
    generator.set_state(state["generator"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


class Stopwatch:
    """Wall and core seconds of a job, continued over interruptions."""

    def __init__(self) -> None:
        self.load({"wall_s": 0.0, "core_s": 0.0})

    def load(self, state: dict[str, float]) -> None:
        """Count from these seconds on."""
        self._before = state
        self._wall, self._core = time.perf_counter(), time.process_time()

    def state(self) -> dict[str, float]:
        """Seconds so far, those before an interruption included."""
        return {
            "wall_s": self._before["wall_s"] + time.perf_counter() - self._wall,
            "core_s": self._before["core_s"] + time.process_time() - self._core,
        }


def cost(watch: Stopwatch, macs: float, device: torch.device) -> dict[str, Any]:
    """What a job cost: seconds, multiply-accumulates, peak memory (MiB), device, threads."""
    peak_gpu = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else 0.0
    return {
        **{name: round(value, 3) for name, value in watch.state().items()},
        "macs": macs,
        # Linux gives ru_maxrss in KiB
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "peak_gpu_mib": round(peak_gpu, 1),
        "device": str(device),
        "device_name": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
