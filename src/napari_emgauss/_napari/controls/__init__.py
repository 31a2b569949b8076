"""Small controls that the widgets share."""
