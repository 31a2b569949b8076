"""Damage and noise of single sections."""
