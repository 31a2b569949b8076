"""Jobs that are shared by workers: killed at random, in other mishaps, timed, and on a simulated cluster."""
