"""The particles to make a map of: files, and a gallery."""
