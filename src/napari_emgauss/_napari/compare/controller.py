"""The controller of Compare: follows models, layers and the viewer, has images drawn and shows them."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.compare.crossing import PANES, Crossing
from napari_emgauss._napari.compare.pair_drawing import CUTS, PairDrawing
from napari_emgauss._napari.compare.plain_layer import PlainLayer
from napari_emgauss._napari.compare.scoring import Scoring, label_of
from napari_emgauss._napari.compare.stack_list import StackList
from napari_emgauss._napari.compare.view import CompareView
from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.elements import timer
from napari_emgauss._napari.controls.notify import EXPLAINED, message_of, report
from napari_emgauss._napari.viewer.model_list import ModelList
from napari_emgauss._napari.viewer.models import NO_MODEL, OpenModel, open_models
from napari_emgauss._napari.viewer.regions import look_at, section_in_view
from napari_emgauss.errors import VolumeError
from napari_emgauss.evaluation import GreyImages, Place, SideBySide, held_out_sections
from napari_emgauss.volume import Volume

SETTLE_MS = 40
"""Moves within this time are drawn at once."""


class CompareController:
    """Gives life to a `CompareView`.

    Parameters
    ----------
    view
        What the user sees; with its end this ends.
    viewer
        The viewer that it is docked in.
    """

    def __init__(self, view: CompareView, viewer: Any) -> None:
        self.view, self._viewer = view, viewer
        self._connections = Connections(view)
        self._plain = PlainLayer(view, viewer)
        self._drawing = PairDrawing(
            view, prepared=self._take_pair, drawn=self._show, cut=self._show_cuts, failed=self._fail
        )
        self._settled = timer(view, SETTLE_MS, self._draw, once=True)
        self.scoring = Scoring(view.scores)
        self._models = ModelList(
            view.form.models,
            open_models(viewer),
            self._connections,
            offers=lambda model: not model.is_draft,
        )
        self._stacks = StackList(view.form.layers, viewer, self._connections, changed=self._follow_choice)
        self._compared: tuple[Any, Any] | None = None
        self._pair: SideBySide | None = None
        self._at = Crossing()
        self._shown: dict[str, GreyImages] = {}
        self._due: set[str] = set()
        self._viewer_z: float | None = None
        self._connect()
        self._take_theme()
        self._follow_choice()

    def _connect(self) -> None:
        view = self.view
        view.form.models.changed.connect(self._follow_choice)
        view.form.baseline_changed.connect(self._prepare)
        view.form.third_changed.connect(self._show_all)
        view.panes.moved.connect(self._line_moved)
        view.z_chosen.connect(self._z_chosen)
        view.next_held_out.connect(self.go_to_held_out)
        self.scoring.chosen.connect(view.form.choose_baseline)
        self.scoring.wanted.connect(self.interpolate)
        self.scoring.place_chosen.connect(self.go_to_place)
        self._connections.connect(self._viewer.events.theme, self._take_theme)
        self._connections.connect(self._viewer.dims.events.point, self._follow_viewer)

    @property
    def model(self) -> OpenModel | None:
        """The chosen model."""
        return self._models.model

    @property
    def busy(self) -> bool:
        """Whether something is still to be drawn or scored."""
        return self._drawing.busy or self._settled.isActive() or self._plain.busy or self.scoring.busy

    def go_to(self, *, z: float | None = None, y: float | None = None, x: float | None = None) -> None:
        """Show the section at coordinate ``z`` and the cuts at the pixels ``y`` and ``x``."""
        if self._pair is None:
            return
        before, self._at = self._at, self._at.moved(self._pair.reconstruction.shape, z=z, y=y, x=x)
        self._due |= self._at.panes_changed(before)
        self._show_place()
        if self._due and not self._settled.isActive():
            self._settled.start()

    def go_to_held_out(self) -> None:
        """Go to the next held-out section, from the last one to the first."""
        sections = held_out_sections(self._pair.reconstruction) if self._pair else ()
        if sections:
            self.go_to(z=next((s for s in sections if s > self._at.z + 1e-3), sections[0]))

    def go_to_place(self, place: Place) -> None:
        """Show a place here and in the viewer."""
        if self.model is not None:
            nm, at = self.model.placement.nm_per_unit, (place.z, place.y, place.x)
            look_at(self._viewer, self.model.reconstruction, nm, at, side_px=place.side_px)
        self.go_to(z=place.z, y=place.y, x=place.x)

    def interpolate(self, method: str) -> None:
        """Add the stack, interpolated to cubic voxels by ``method``, as a layer."""
        if self.model is not None:
            self._plain.add(self.model, self.volume(), method)

    def volume(self) -> Volume:
        """Return the chosen model's stack.

        Raises
        ------
        VolumeError
            There is no model or no stack; the message says what to do.
        """
        model = self.model
        if model is None:
            raise VolumeError(NO_MODEL)
        return self._stacks.volume(model) if model.stack is None else model.stack

    def _follow_choice(self) -> None:
        """List the layers that can be the model's stack; take model and stack if they are others than before."""
        model = self.model
        self._stacks.list_for(model)
        self.view.form.ask_for_stack(wanted=bool(self._stacks.layers))
        self.view.form.setEnabled(model is not None)
        compared = (model, self._stacks.layer)
        if compared != self._compared:
            self._compared = compared
            self._take_model()

    def _take_model(self) -> None:
        """Begin anew with another model or stack, or with none."""
        self._forget()
        self.scoring.clear()
        volume, model = self._prepare(), self.model
        if volume is not None and model is not None:
            self.scoring.score(model.trained, volume)

    def _prepare(self) -> Volume | None:
        """Get ready to draw with the chosen interpolation; return the stack, None where there is nothing to compare."""
        try:
            volume = self.volume()
        except EXPLAINED as error:
            self.view.show_hint(message_of(error))
            return None
        self.view.show_hint("")
        if self.model is not None:
            self._drawing.prepare(self.model.trained, volume, self.view.form.baseline)
        return volume

    def _take_pair(self, pair: SideBySide) -> None:
        model, reconstruction = self.model, pair.reconstruction
        if model is None or reconstruction is not model.reconstruction:
            return
        new = self._pair is None
        n, height, width = reconstruction.shape
        self.view.set_range(n - 1, has_held_out=bool(held_out_sections(reconstruction)))
        self._pair = pair
        self._due = set(PANES)
        self._show_titles()
        if new:
            self._viewer_z = self._viewer.dims.point[-3] if self._viewer.dims.ndim > 2 else None
            self._at = Crossing.first(reconstruction)
            _, dy, dx = reconstruction.voxel_size_nm
            self.view.panes.set_grid((len(pair.depths), height, width), (pair.depth_step_nm, dy, dx))
        self._show_place()
        self._draw()

    def _draw(self) -> None:
        """Draw what is due, off the GUI thread: the section first, then the cuts."""
        if self._pair is None:
            return
        if "xy" in self._due:
            self._due.discard("xy")
            self._drawing.section(self._pair, self._at.z)
        indices = {pane: self._at.index(pane) for pane in CUTS if pane in self._due}
        if indices:
            self._drawing.cuts(self._pair, indices)

    def _show_cuts(self, pair: SideBySide, indices: dict[str, int], images: dict[str, GreyImages]) -> None:
        # Cuts that were moved on from meanwhile are shown, but are still due where we are.
        self._due -= {pane for pane in images if indices[pane] == self._at.index(pane)}
        self._show(pair, images)

    def _show(self, pair: SideBySide, images: dict[str, GreyImages]) -> None:
        if pair is not self._pair:
            return
        for pane, drawn in images.items():
            self._shown[pane] = drawn
            small = drawn.overview or drawn
            self.view.panes.show_images(pane, [(getattr(drawn, n), getattr(small, n)) for n in self._columns()])

    def _show_all(self) -> None:
        """Show the chosen columns of what is drawn already."""
        self._show_titles()
        if self._pair is not None:
            self._show(self._pair, dict(self._shown))

    def _columns(self) -> list[str]:
        third = self.view.form.third
        return ["reconstruction", "interpolation", *([third] if third else [])]

    def _show_titles(self) -> None:
        form = self.view.form
        titles = ["EMGauss", label_of(form.baseline.name), form.thirds.currentText()]
        self.view.panes.show_columns(titles[: len(self._columns())])

    def _show_place(self) -> None:
        if self._pair is not None:
            at, rec = self._at, self._pair.reconstruction
            depth = at.z * rec.voxel_size_nm[0] / self._pair.depth_step_nm
            self.view.show_place(at.z, at.describe(rec), (depth, at.y, at.x))

    def _z_chosen(self, z: float) -> None:
        self.go_to(z=z)

    def _line_moved(self, axis: int, position: float) -> None:
        if self._pair is not None:
            z = position * self._pair.depth_step_nm / self._pair.reconstruction.voxel_size_nm[0]
            self.go_to(**{"zyx"[axis]: z if axis == 0 else position})

    def _follow_viewer(self, _: Any = None) -> None:
        """Go to the depth that the viewer went to."""
        model, point = self.model, self._viewer.dims.point
        if model is None or self._pair is None or len(point) < 3:
            return
        moved, self._viewer_z = self._viewer_z != point[-3], point[-3]
        if moved:
            self.go_to(z=section_in_view(self._viewer, model.reconstruction, model.placement.nm_per_unit))

    def _take_theme(self, _: Any = None) -> None:
        from napari.utils.theme import get_theme

        theme = get_theme(self._viewer.theme)
        self.view.panes.set_colours(theme.text.as_hex(), theme.current.as_hex())

    def _fail(self, error: BaseException) -> None:
        self._forget()
        self.view.show_hint(message_of(error))
        report(error)

    def _forget(self) -> None:
        self._drawing.forget()
        self._settled.stop()
        self._pair = None
        self._shown.clear()
