"""The code blocks of README and docs, run as they stand on a small stack.

Python blocks and ``napari-emgauss`` commands run in a folder that holds ``stack.tif`` (10 sections), ``isotropic.tif``
and ``fib.tif``, and ``axial.nii.gz`` and two other stacks of slices with their masks. One thing is not as a reader has
it: trainings are given `QUICK` besides what the block asks for, since nothing here depends on how well they learned.
The Python blocks of a page run one after the other and share their names. A block with ``<!-- from FILE -->`` above it
stands in that file word for word.

Commands of other programs are checked, but not run, and appear as skipped. So does a block with
``<!-- not run: REASON -->`` above it; its commands are parsed all the same.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
import tyro

import napari_emgauss as eg
from napari_emgauss.cli import main
from napari_emgauss.cli.dispatch import Command
from napari_emgauss.io.stacks import write_stack
from napari_emgauss.io.stacks.world import write_mask
from napari_emgauss.phantoms import Acquisition, brain_phantom, phantom, simulate_stacks

ROOT = Path(__file__).resolve().parents[2]
QUICK = {
    "reconstruct": {"newton_steps": 1, "adapt_spacing": False},
    "reconstruct_slices": {"solve_steps": 2, "spacing": 3.0},
    "reconstruct_particles": {"n_gaussians": 100, "shape_iterations": 4, "likelihood_iterations": 2},
}
FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>.+?) -->\n+|<!-- from (?P<source>\S+) -->\n+)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    reason: str | None
    """Why it is not run, if it is not."""
    source: str | None
    """The file that it is copied from, if it is."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """Yield each command of a shell block as its words."""
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words


def blocks() -> list[Block]:
    """Return every fenced block of every page, also of the README and of CONTRIBUTING."""
    found = []
    for path in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))):
        text = path.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start("language")) + 1
            page = path.relative_to(ROOT).as_posix()
            found.append(Block(page, line, match["language"], match["text"], match["reason"], match["source"]))
    return found


PYTHON = [block for block in blocks() if block.language == "python"]
PAGES = sorted({block.page for block in PYTHON})
SHELL = [block for block in blocks() if block.language == "sh"]
FOREIGN = [
    pytest.param(words, id=f"{block}-{words[0]}")
    for block in SHELL
    for words in block.commands()
    if words[0] != "napari-emgauss"
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The files that blocks name."""
    folder = tmp_path_factory.mktemp("files")
    eg.write(phantom((55, 40, 40), seed=3).every(6), folder / "stack.tif")
    for name in ("isotropic.tif", "fib.tif"):
        eg.write(phantom((25, 40, 40), seed=4), folder / name)
    truth, mask = brain_phantom((20, 22, 20))
    for slices in simulate_stacks(truth, mask, Acquisition(thickness_mm=3.0, corrupted=0.0)).stacks:
        write_stack(slices, folder / f"{slices.name}.nii.gz")
        write_mask(slices, folder / f"{slices.name}_mask.nii.gz")
    return folder


@pytest.fixture
def folder(files, tmp_path, monkeypatch):
    """A copy of the files as the working directory; trainings are short."""
    for name in QUICK:
        original = getattr(eg, name)
        for where, module in list(sys.modules.items()):
            if where.startswith("napari_emgauss") and vars(module).get(name) is original:
                monkeypatch.setattr(module, name, partial(with_quick_settings, original))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    return tmp_path


def with_quick_settings(reconstruct, data, **settings):
    quick = dict(QUICK[reconstruct.__name__])
    if settings.get("prior") is False:
        quick["lateral_steps"] = 50
    return reconstruct(data, **{**quick, **settings})


@pytest.mark.parametrize("block", blocks(), ids=str)
def test_every_block_says_in_which_language_it_is(block):
    assert block.language in {"python", "sh", "text"}


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, folder):
    names = {"__name__": "__main__"}
    for block in (block for block in PYTHON if block.page == page):
        code = compile(block.text, str(block), "exec")
        if not block.reason:
            exec(code, names)


@pytest.mark.parametrize("block", [b for b in PYTHON if b.reason], ids=str)
def test_python_that_is_not_run_is_named(block):
    pytest.skip(f"{block}: {block.reason}")


@pytest.mark.parametrize("block", [b for b in blocks() if b.source], ids=str)
def test_copied_blocks_stand_in_their_file_word_for_word(block):
    assert block.text.strip() in (ROOT / block.source).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in SHELL if "napari-emgauss " in b.text], ids=str)
def test_commands_run_one_after_the_other(block, folder):
    commands = [words[1:] for words in block.commands() if words[0] == "napari-emgauss"]
    if block.reason:
        for arguments in commands:
            tyro.cli(Command, args=arguments, config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes))
        pytest.skip(f"{block}: {block.reason}")
    for arguments in commands:
        assert main(arguments) == 0, arguments


@pytest.mark.parametrize("words", FOREIGN)
def test_commands_of_other_programs_name_what_exists(words):
    program, *arguments = words
    assert program in CHECKS, f"{program} is not known here: add it to CHECKS"
    CHECKS[program](arguments)
    pytest.skip(f"checked, not run: {shlex.join(words)}")


def check_make(arguments):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert {a for a in arguments if "=" not in a} <= targets


def check_pip(arguments):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, extras in re.findall(r"(napari-emgauss|\.)(?:\[([\w,]+)\])?", " ".join(arguments[1:])):
        assert name in {project["name"], "."}
        assert {extra for extra in extras.split(",") if extra} <= set(project["optional-dependencies"])


def check_python(arguments):
    if arguments[0] == "-m" and arguments[1].startswith("benchmarks."):
        benchmark = import_module(arguments[1])
        if hasattr(benchmark, "Options"):
            tyro.cli(benchmark.Options, args=arguments[2:])
    for argument in arguments:
        path, _, test = argument.partition("::")
        if path.startswith("tests"):
            assert (ROOT / path).exists()
            assert all(name in (ROOT / path).read_text(encoding="utf-8") for name in test.split("::") if test)


CHECKS = {
    "make": check_make,
    "napari": lambda _: None,
    "pip": check_pip,
    "pre-commit": lambda _: None,
    "python": check_python,
    "xvfb-run": lambda arguments: check_python(arguments[arguments.index(".venv/bin/python") + 1 :]),
}


@pytest.mark.parametrize("page", sorted(path.name for path in ROOT.glob("*.md")))
def test_links_of_pages_outside_the_site_lead_to_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / target).exists(), target
