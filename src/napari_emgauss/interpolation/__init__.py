"""Sections between sections without Gaussians: plain interpolation, and networks that learn from tissue."""
