"""How long things take, and whether they are worth it. Run by hand, on a machine that does nothing else."""
