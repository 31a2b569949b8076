"""Training of the prior that ships with the package: ``python -m prior_training.train volume.tif``."""
