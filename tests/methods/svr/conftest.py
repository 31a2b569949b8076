from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from napari_emgauss.methods.svr import SliceReconstruction
    from napari_emgauss.phantoms import SimulatedStacks
    from napari_emgauss.training import Event

FEW_STEPS = {"solve_steps": 14, "spacing": 1.6}


@pytest.fixture(scope="session")
def moving() -> SimulatedStacks:
    """Three stacks of a small head that moves; 5 % of the slices are damaged."""
    from napari_emgauss.phantoms import Acquisition, brain_phantom, simulate_stacks

    truth, mask = brain_phantom((30, 34, 30))
    return simulate_stacks(truth, mask, Acquisition(thickness_mm=3.0), seed=2)


@pytest.fixture(scope="session")
def still() -> SimulatedStacks:
    """The same head lying still, no slice damaged."""
    from napari_emgauss.phantoms import Acquisition, brain_phantom, simulate_stacks

    truth, mask = brain_phantom((30, 34, 30))
    acquisition = Acquisition(thickness_mm=3.0, motion_deg=0, motion_mm=0, corrupted=0)
    return simulate_stacks(truth, mask, acquisition, seed=2)


@pytest.fixture(scope="session")
def told(moving: SimulatedStacks) -> tuple[SliceReconstruction, list[Event]]:
    """The moving head, reconstructed with few steps, and all that was told meanwhile."""
    from napari_emgauss.methods.svr import reconstruct_slices
    from napari_emgauss.training import RunConfig

    events: list[Event] = []
    eager = RunConfig(preview_every_s=1e-9)
    return reconstruct_slices(moving.stacks, **FEW_STEPS, on_event=events.append, run_config=eager), events


@pytest.fixture(scope="session")
def reconstructed(told: tuple[SliceReconstruction, list[Event]]) -> SliceReconstruction:
    """The moving head, reconstructed with few steps."""
    return told[0]
