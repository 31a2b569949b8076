"""The widget that leads from a stack to its isotropic volume, step by step."""
