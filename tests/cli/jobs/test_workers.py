"""Commands whose work is shared by workers."""

import sys
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
from rich.console import Console
from scipy.ndimage import gaussian_filter
from tests.methods.emgauss.test_reconstruction import jumps

import napari_emgauss as eg
from napari_emgauss.cli import main
from napari_emgauss.cli.jobs.display import JobDisplay, line, table
from napari_emgauss.cli.jobs.workers import workers
from napari_emgauss.errors import BackendUnavailableError, ConfigError, OutOfMemoryError
from napari_emgauss.io.jobs import BlockState, Failure, JobStatus, read_entries
from napari_emgauss.training import LocalEngine

STATUS = JobStatus(
    states=(BlockState.DONE, BlockState.RUNNING, BlockState.FAILED, BlockState.WAITING),
    failures=(Failure(block=2, message="torn"),),
    pixels_per_s=2.5e6,
    seconds_left=90.0,
)


def test_workers_write_the_same_model_as_one_process(cluster, shared_settings, undisturbed, tmp_path, capsys):
    model, job = tmp_path / "model.emgauss", tmp_path / "job"
    options = ["-o", str(model), "--checkpoint", str(job), "--scheduler", cluster.scheduler.address]
    assert main([*shared_settings, *options]) == 0
    assert model.read_bytes() == (undisturbed / "model.emgauss").read_bytes()
    assert "blocks done 4/4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_workers": 2, "scheduler": "tcp://a:1"}, "--scheduler has workers of its own"),
        ({"cluster": "slurm"}, "needs a number of workers"),
        ({"n_workers": 2, "job": None}, "add --checkpoint"),
        ({"n_workers": 0}, "workers must be within"),
        ({"n_workers": 2, "cluster": "cloud"}, "cluster must be one of"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said, tmp_path):
    chosen = {"n_workers": None, "scheduler": None, "cluster": None, "job": tmp_path, "gpu": False, **options}
    n_workers = chosen.pop("n_workers")
    with pytest.raises(ConfigError, match=said), workers(n_workers, **chosen):
        pass


def test_workers_that_memory_has_no_room_for_are_refused_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_emgauss.training.engines.clusters.free_bytes", lambda: 800_000_000)
    told = "each of 2 workers may take 360 MB of memory, and needs at least 419 MB; 800 MB are free. Use fewer"
    with (
        pytest.raises(OutOfMemoryError, match=told),
        workers(2, scheduler=None, cluster=None, job=tmp_path, gpu=False),
    ):
        pass
    with workers(1, scheduler=None, cluster=None, job=tmp_path, gpu=False):
        pass


def test_without_workers_this_process_trains():
    with workers(None, scheduler=None, cluster=None, job=None, gpu=False) as make_engine:
        assert make_engine is LocalEngine


def test_processes_of_this_machine_are_not_started_before_there_are_blocks(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(
        "napari_emgauss.training.engines.clusters.local_cluster",
        lambda n, **_: started.append(n) or nullcontext("a client"),
    )
    with workers(3, scheduler=None, cluster=None, job=tmp_path, gpu=False) as make_engine:
        assert started == []
        assert make_engine(None, None).client == make_engine(None, None).client == "a client"
        assert started == [3]


@pytest.mark.parametrize(
    ("missing", "cluster", "said"),
    [("distributed", None, r"napari-emgauss\[cluster\]"), ("dask_jobqueue", "slurm", "pip install dask-jobqueue")],
)
def test_what_is_not_installed_is_named(missing, cluster, said, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "distributed":
        for name in ("dask", "clusters"):
            monkeypatch.delitem(sys.modules, f"napari_emgauss.training.engines.{name}", raising=False)
            monkeypatch.delattr(f"napari_emgauss.training.engines.{name}", raising=False)
    with (
        pytest.raises(BackendUnavailableError, match=said),
        workers(2, scheduler=None, cluster=cluster, job=tmp_path, gpu=False),
    ):
        pass


def test_the_state_of_a_job_is_a_line_or_a_table(tmp_path):
    assert line(STATUS) == "blocks done 1/4 · running 1 · failed 1 · speed 2.5 Mpx/s · time left 1 min 30 s"
    console = Console(width=100, record=True, force_terminal=True)
    console.print(table(STATUS))
    text = console.export_text()
    assert "blocks done" in text
    assert "1/4" in text
    with JobDisplay(console, tmp_path) as display:
        display(object())


def test_a_volume_can_be_drawn_without_a_model_ever_being_whole(cluster, shared_settings, undisturbed, tmp_path):
    volume, job = tmp_path / "iso.ome.zarr", tmp_path / "job"
    options = ["--export", str(volume), "--keep-models", "no", "--checkpoint", str(job)]
    assert main([*shared_settings, *options]) == 1  # it takes workers
    assert main([*shared_settings, *options, "--scheduler", cluster.scheduler.address]) == 0
    model = eg.load(undisturbed / "model.emgauss")
    assert np.array_equal(eg.read(volume).data, model.resample().data)
    assert not list(job.glob("block-*/done"))
    assert not list(tmp_path.glob("*.emgauss"))


def test_no_seam_shows_between_blocks_of_different_workers(cluster, tmp_path):
    """Across every row and column the picture changes as much as the truth does, up to a fifth."""
    from napari_emgauss.training.engines.dask import DaskEngine

    data = gaussian_filter(np.random.default_rng(0).standard_normal((4, 64, 64)), (1, 2, 2))
    data = (data / data.std() * 40 + 128).clip(0, 255).astype(np.uint8)
    stack, job = tmp_path / "stack.tif", tmp_path / "job"
    eg.write(eg.Volume(data, (24, 8, 8)), stack)
    settings = {"preset": "fast", "spacing_px": 2.5, "adapt_spacing": False, "tile_px": 40, "tile_overlap_px": 12}
    result = eg.reconstruct(eg.read(stack), checkpoint=job, make_engine=partial(DaskEngine, cluster), **settings)
    assert len({entry.worker for entry, _ in read_entries(job) if entry.what == "done"}) == 2
    assert len(result.models) == 4
    sections = np.stack([result.render(z) for z in range(4)])
    for axis in (1, 2):
        ratio = jumps(sections, axis) / jumps(data, axis)
        assert ratio[2:-2].max() < 1.2 * np.median(ratio)
