"""The napari plugin: four widgets, sample data, readers and writers."""
