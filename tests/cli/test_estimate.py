"""What a volume will take, as a table."""

from dataclasses import replace

import pytest

from napari_emgauss.cli import main
from napari_emgauss.cli.estimate import lines
from napari_emgauss.planning import Forecast, Way

FOUND = Forecast(
    shape=(100, 200, 300),
    n_bytes=7_000_000,
    packed_share=0.5,
    ways=(
        Way(name="learned interpolation", n_blocks=4, seconds=6.0, worker_bytes=500_000_000),
        Way(
            name="Gaussians (fast)",
            n_blocks=1200,
            seconds=7200.0,
            worker_bytes=2 * 10**9,
            model_bytes=1_100_000,
            folder_bytes=9_900_000,
        ),
    ),
    free_memory=10**10,
    free_disk=10**10,
    n_cores=2,
)


def test_estimate_prints_a_table_and_makes_nothing(folder, capsys, monkeypatch):
    before = sorted(folder.iterdir())
    monkeypatch.chdir(folder)
    assert main(["estimate", str(folder / "stack.tif"), "--preset", "fast", "--workers", "3"]) == 0
    printed = capsys.readouterr().out
    for words in ("→ 25 × 48 × 40", "Gaussians (fast)", "voxels per second", "3 workers", "This machine"):
        assert words in printed
    assert sorted(folder.iterdir()) == before
    assert main(["estimate", str(folder / "stack.tif"), "--workers", "0"]) == 1


def test_the_table_lines_up_and_says_what_every_way_takes():
    table = lines(FOUND, 4)
    assert len({len(line) for line in table[:8]}) == 1
    text = "\n".join(table)
    for words in (
        "1,000,000",
        "830",
        "1200",
        "2 h 0 min",
        "30 min",
        "3.5 MB",
        "1.1 MB",
        "9.9 MB",
        "2 GB",
        "10 GB of disk",
    ):
        assert words.replace("1200", "1,200") in text
    assert "workers" not in "\n".join(lines(FOUND, 1))


@pytest.mark.parametrize(
    ("change", "words"),
    [({"free_disk": 10**6}, "7 MB before it is packed"), ({"free_memory": 10**9}, "Gaussians (fast) needs 2 GB")],
)
def test_what_does_not_fit_is_told_with_a_remedy(change, words):
    assert any(words in line for line in lines(replace(FOUND, **change), 1))
    assert not any(words in line for line in lines(FOUND, 1))
