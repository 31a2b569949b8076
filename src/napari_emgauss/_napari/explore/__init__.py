"""The widget that draws any section coordinate."""
