"""The viewer's contents: layers, regions, open models."""
