"""The widget that makes a density map of particles."""
