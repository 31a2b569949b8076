"""The stacks to make a volume of: chosen layers with their masks and thicknesses."""
