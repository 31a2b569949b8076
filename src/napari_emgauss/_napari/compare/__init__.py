"""The widget that puts a model beside plain interpolation."""
