"""Clusters that workers are submitted to: what a queueing system is given, without one."""

import os
import re
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("dask_jobqueue")

import dask
import yaml

from napari_emgauss.training.engines.clusters import queued_cluster

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="what passes for SLURM is a script of the shell")

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "workers.md"
SBATCH = '#!/bin/sh\ncp "$1" "$(dirname "$0")/script-$$"\necho "Submitted batch job $$"\n'


@pytest.fixture
def submitted(tmp_path, monkeypatch):
    """Folder with the scripts that are submitted to what passes for SLURM."""
    for name, content in (("sbatch", SBATCH), ("scancel", "#!/bin/sh\n")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_the_guide_s_example_for_slurm_submits_the_script_that_it_shows(submitted):
    example, shown = re.findall(r"```text\n(jobqueue:.*?|#SBATCH.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    settings = yaml.safe_load(example)["jobqueue"]["slurm"]
    chosen = {f"jobqueue.slurm.{name}": value for name, value in settings.items()}
    with dask.config.set(chosen), queued_cluster("slurm", 2) as client:
        wanted = client.cluster.job_script()
        assert client.cluster.scheduler.http_server.address == "127.0.0.1"
        end = time.monotonic() + 30
        while len(scripts := [path.read_text() for path in submitted.glob("script-*")]) < 2:
            assert time.monotonic() < end, "two jobs are submitted"
            time.sleep(0.01)
    assert {re.sub(r"SLURMCluster-\d", "dummy-name", script) for script in scripts} == {wanted}
    lines = wanted.strip().splitlines()[2:]
    command = re.sub(r"^\S+ -m (\S+) tcp://\S+ --name \S+", r"python -m \1 tcp://…", lines[-1])
    assert [*lines[:-1], command] == shown.splitlines()
