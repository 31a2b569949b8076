"""What napari sees: sample data, readers and writers."""
