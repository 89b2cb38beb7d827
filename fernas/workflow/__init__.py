"""The only room that says Snakemake: rule parameters, code digests, the job runner, leases of GPUs, what a kill leaves.

May import `core` and `study`.
"""
