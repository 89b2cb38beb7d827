"""Speed and memory: ours and the plain form in turn, in one process. `python -m benchmarks [name ...]` runs them."""
