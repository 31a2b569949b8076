"""``python -m napari_emgauss``: the command line."""

import sys

from napari_emgauss.cli import main

if __name__ == "__main__":
    sys.exit(main())
