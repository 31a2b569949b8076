"""The widget that makes a volume of slices."""
