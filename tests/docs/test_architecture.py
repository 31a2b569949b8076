"""The picture of layers shows what the contracts hold."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def layers_by_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(each["layers"] for each in contracts if each["name"] == "Imports go down the layers only")
    return [{name.strip().removeprefix("napari_emgauss.") for name in layer.split("|")} for layer in layers]


def test_the_picture_has_the_layers_of_the_contract_from_top_to_bottom():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = page.partition("```text\n")[2].partition("```")[0]
    names = [re.split(r"\s{2,}", line.strip())[0] for line in picture.splitlines() if line[1:2] not in ("", " ", "─")]
    assert [{name.strip() for name in line.split("│")} for line in names] == layers_by_contract()


def test_every_layer_is_drawn_and_nothing_else_stands_in_the_package():
    package = ROOT / "src" / "napari_emgauss"
    found = {
        path.stem
        for path in package.iterdir()
        if path.suffix in ("", ".py") and path.stem not in ("__init__", "__main__")
    }
    assert found - {"__pycache__"} == set().union(*layers_by_contract())
