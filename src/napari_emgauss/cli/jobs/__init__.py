"""Jobs on the command line: the workers that share one, what they have done, the command ``job``."""
