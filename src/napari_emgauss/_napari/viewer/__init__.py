"""What the viewer holds: layers, regions, open models."""
