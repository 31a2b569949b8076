import os
import sys

import pytest

from napari_emgauss.runtime.triton import load_triton

pytestmark = pytest.mark.skipif(not hasattr(os, "RTLD_DEEPBIND"), reason="symbols are bound so on Linux only")


@pytest.fixture
def no_triton(monkeypatch):
    for name in [name for name in sys.modules if name == "triton" or name.startswith("triton.")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("no_triton")
def test_triton_is_loaded_with_symbols_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "triton.py").write_text("import sys\nflags = sys.getdlopenflags()\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = sys.getdlopenflags()
    load_triton()
    assert sys.modules.pop("triton").flags == before | os.RTLD_DEEPBIND
    assert sys.getdlopenflags() == before


@pytest.mark.usefixtures("no_triton")
@pytest.mark.parametrize("error", [ImportError, OSError])
def test_a_triton_that_is_missing_or_broken_changes_nothing(tmp_path, monkeypatch, error):
    (tmp_path / "triton.py").write_text(f"raise {error.__name__}('broken')\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = sys.getdlopenflags()
    load_triton()
    assert sys.getdlopenflags() == before
