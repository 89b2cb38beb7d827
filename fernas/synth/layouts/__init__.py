"""Writers of rendered datasets, one file per dataset: each knows that dataset's on-disk layout and nothing else."""
