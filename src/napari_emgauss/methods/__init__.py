"""Reconstruction methods: each wires configuration, model and schedule for the one training loop."""
