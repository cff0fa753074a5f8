"""What runs a sweep: Ray on this machine or a cluster, trials, their storage, progress."""
