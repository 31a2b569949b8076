"""The widget that writes isotropic volumes."""
