"""Writers of rendered corpora, one file per corpus: each knows that corpus' on-disk layout and nothing else."""
