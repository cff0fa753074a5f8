"""Files that start the sweeps on a cloud, and `python -m cluster.check` to read them first."""
