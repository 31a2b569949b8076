"""Limits of memory of Linux's control groups, as files tell them."""

import sys

import pytest

from napari_emgauss.runtime.control_group import control_group_bytes
from napari_emgauss.runtime.memory import available_bytes, free_bytes

SECOND = ("cgroup2", "rw", "memory.max", "memory.current", ["active_file", "inactive_file"])
FIRST = (
    "cgroup",
    "rw,memory",
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    ["total_active_file", "total_inactive_file"],
)


def make(folder, version, *, own, root="/", groups):
    """Write what /proc and /sys would tell; return the folder of the process. Groups: (limit, used, pages of files)."""
    kind, options, limit_name, used_name, page_names = version
    process, mount = folder / "proc", folder / "groups"
    process.mkdir()
    for name, (limit, used, pages) in groups.items():
        group = mount / name
        group.mkdir(parents=True, exist_ok=True)
        (group / limit_name).write_text(f"{limit}\n")
        (group / used_name).write_text(f"{used}\n")
        lines = ["anon 5", *(f"{name} {pages // 2}" for name in page_names)]
        (group / "memory.stat").write_text("\n".join(lines) + "\n")
    number, controllers = ("0", "") if kind == "cgroup2" else ("4", "memory")
    (process / "cgroup").write_text(f"9:name=systemd:/elsewhere\n{number}:{controllers}:{own}\n")
    (process / "mountinfo").write_text(
        "22 1 0:21 / /proc rw - proc proc rw\n"
        "33 31 0:30 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n"
        f"35 31 0:32 {root} {mount} rw,nosuid shared:1 master:2 - {kind} cgroup {options}\n"
    )
    return process


@pytest.mark.parametrize("version", [FIRST, SECOND], ids=["v1", "v2"])
@pytest.mark.parametrize(
    ("own", "root", "groups", "left"),
    [
        ("/", "/", {"": (1000, 700, 0)}, 300),
        ("/", "/", {"": (1000, 900, 400)}, 500),
        ("/", "/", {"": (1000, 1200, 0)}, 0),
        ("/slurm/job_7/step_0", "/", {"slurm/job_7/step_0": ("max", 10, 0), "slurm/job_7": (1000, 700, 200)}, 500),
        ("/user/app", "/", {"user/app": (500, 100, 0), "user": (1000, 900, 0)}, 100),
        ("/docker/abc", "/docker/abc", {"": (1000, 700, 0)}, 300),
        ("/docker/abc", "/other", {"": (1000, 700, 0)}, 300),
        ("/", "/", {"": ("max", 700, 0)}, sys.maxsize),
        ("/", "/", {}, sys.maxsize),
    ],
    ids=["container", "pages of files", "exceeded", "batch", "outer", "host's name", "another's", "max", "none"],
)
def test_the_tightest_limit_counts_and_pages_of_files_make_room(tmp_path, version, own, root, groups, left):
    assert control_group_bytes(make(tmp_path, version, own=own, root=root, groups=groups)) == left


def test_what_is_slowed_down_above_a_limit_is_taken_for_limited(tmp_path):
    process = make(tmp_path, SECOND, own="/", groups={"": (1000, 200, 0)})
    (tmp_path / "groups" / "memory.high").write_text("600\n")
    assert control_group_bytes(process) == 400


def test_where_nothing_tells_of_groups_there_is_no_limit(tmp_path):
    assert control_group_bytes(tmp_path) == sys.maxsize


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
def test_free_memory_is_that_of_the_control_group_where_this_is_less(monkeypatch):
    monkeypatch.setattr("napari_emgauss.runtime.memory.control_group_bytes", lambda: 12345)
    assert free_bytes() == available_bytes() == 12345
