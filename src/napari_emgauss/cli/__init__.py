"""The command line: ``napari-emgauss reconstruct | render | export | interpolate | evaluate | demo | doctor``."""

from napari_emgauss.cli.main import main

__all__ = ["main"]
