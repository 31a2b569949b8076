"""The Reconstruct widget: from a stack to a trained model, in the background."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import platformdirs
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import EXPLAINED, message_of, report
from napari_emgauss._napari.controls.scroll import VerticalScroll
from napari_emgauss._napari.reconstruct.next_steps import NextSteps
from napari_emgauss._napari.reconstruct.run_panel import RunPanel
from napari_emgauss._napari.reconstruct.section_check import SectionCheck
from napari_emgauss._napari.reconstruct.settings_form import SettingsForm
from napari_emgauss._napari.reconstruct.stack_form import StackForm, narrow
from napari_emgauss._napari.reconstruct.training import PreviewLayer, TrainingRun
from napari_emgauss._napari.viewer.docked import EndsWithDock
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss._napari.viewer.regions import section_in_view
from napari_emgauss._napari.workers.background import Background
from napari_emgauss.errors import VolumeError
from napari_emgauss.evaluation import plain_psnr_db
from napari_emgauss.methods.emgauss import describe_evidence, describe_sections
from napari_emgauss.methods.emgauss.estimate import Estimate, estimate
from napari_emgauss.session import Session
from napari_emgauss.training import Finished, FinishReason, Preview, Progress
from napari_emgauss.training.run import RunConfig
from napari_emgauss.units import format_bytes, format_duration
from napari_emgauss.volume import Volume

if TYPE_CHECKING:
    import napari.viewer

SETTLE_MS = 500
"""Rest after an edit before the costs are estimated again."""
PREVIEW_EVERY_S = 1.0
NEW_MODEL = "A new model"


class ReconstructWidget(QWidget):
    """Choose a stack and how to train on it, watch the training, keep its model."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self._models = open_models(self._viewer)
        EndsWithDock(self).taken_out.connect(self._leave)
        self._connections = Connections(self)
        self._background = Background(self, name="emgauss-estimate")
        self._levels = Background(self, name="emgauss-plain-level")
        self.stack = StackForm(self._viewer)
        self.check = SectionCheck(self.stack)
        self.start_from = QComboBox()
        self.start_from.setToolTip("Train a new model, or go on training one of this stack with its own settings.")
        narrow(self.start_from)
        self.settings = SettingsForm()
        self.costs = QLabel()
        self.costs.setWordWrap(True)
        self.panel = RunPanel()
        self.next_steps = NextSteps(self._viewer)
        self.run: TrainingRun | None = None
        self._preview: PreviewLayer | None = None
        self._trained: tuple[Volume, Any, LayerPlacement] | None = None
        self._estimate_wanted = 0
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLE_MS)
        self._reveal = QTimer(self)
        self._reveal.setSingleShot(True)
        self._reveal.setInterval(100)
        self._lay_out()
        self._connect()
        self._list_models()
        self._edited()

    def _lay_out(self) -> None:
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(9, 9, 9, 9)
        self._start_row = QWidget()
        start = QFormLayout(self._start_row)
        start.setContentsMargins(0, 0, 0, 0)
        start.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        start.addRow("Start from", self.start_from)
        layout.addWidget(_title("Stack"))
        layout.addWidget(self.stack)
        layout.addWidget(self.check)
        layout.addWidget(_title("Training"))
        layout.addWidget(self._start_row)
        layout.addWidget(self.settings)
        layout.addWidget(self.costs)
        layout.addWidget(self.panel)
        layout.addWidget(self.next_steps)
        layout.addWidget(self.panel.curves)
        layout.addStretch(1)
        self._scroll = VerticalScroll(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._scroll)

    def _connect(self) -> None:
        self.stack.changed.connect(self._edited)
        self.settings.changed.connect(self._edited)
        self.start_from.currentIndexChanged.connect(self._edited)
        self._settled.timeout.connect(self._estimate)
        self._reveal.timeout.connect(self._scroll.show_end)
        self.panel.train.connect(self.train)
        self.panel.pause.connect(lambda: self._hold(paused=True))
        self.panel.resume.connect(lambda: self._hold(paused=False))
        self.panel.stop.connect(lambda: self._end(keep=True))
        self.panel.discard.connect(lambda: self._end(keep=False))
        self._connections.connect(self._models.added, self._list_models)
        self._connections.connect(self._models.removed, self._list_models)
        self._connections.connect(self._viewer.layers.events.removed, self._layer_removed)
        self._connections.connect(self._viewer.dims.events.point, self._follow_viewer)

    @property
    def model(self) -> OpenModel | None:
        """The model to go on from, None for a new one."""
        chosen: OpenModel | None = self.start_from.currentData()
        return chosen

    def train(self) -> None:
        """Start a training with what is entered."""
        if self.run is not None:
            return
        try:
            self.stack.apply_voxel_size()
            layer, volume, arguments = self.stack.layer, self.stack.volume(), self._arguments()
            placement = LayerPlacement.of(layer)
            session = Session(
                volume,
                run_config=RunConfig(preview_every_s=PREVIEW_EVERY_S, validate_every=20),
                checkpoints_in=platformdirs.user_cache_path("napari-emgauss") / "half-done",
                **arguments,
            )
        except EXPLAINED as error:
            report(error)
            return
        self.settings.remember()
        self._estimate_wanted += 1
        self._settled.stop()
        self._trained = (volume, layer, placement)
        self._preview = PreviewLayer(self._viewer, volume, placement, layer)
        self.run = TrainingRun(
            self,
            session,
            on_progress=self._on_progress,
            on_preview=self._on_preview,
            on_finished=self._on_finished,
        )
        self._set_editable(editable=False)
        self.panel.show_running()
        self._show_plain_level(volume, arguments)
        self._follow_viewer()
        self._reveal.start()
        self.run.start()

    def _arguments(self) -> dict[str, Any]:
        """Arguments of `Session` beyond the stack."""
        if self.model is not None:
            return {"start": self.model.reconstruction, "device": self.settings.arguments()["device"]}
        return {
            **self.settings.arguments(),
            "hold_out": self.stack.hold_out,
            "leave_out": self.stack.leave_out,
        }

    def _hold(self, *, paused: bool) -> None:
        if self.run is not None:
            (self.run.session.pause if paused else self.run.session.resume)()

    def _end(self, *, keep: bool) -> None:
        if self.run is None:
            return
        if keep:
            self.run.session.stop()
        else:
            self.run.session.discard(wait=False)
        self.panel.status.setText("Ending after this iteration…")

    def _on_progress(self, records: list[Progress]) -> None:
        self.panel.show_progress(records)

    def _on_preview(self, preview: Preview) -> None:
        if self._preview is not None:
            self._preview.show(preview)

    def _on_finished(self, end: Finished) -> None:
        session, trained = self.run.session if self.run else None, self._trained
        self.run = self._trained = None
        if self._preview is not None:
            self._preview.remove()
        self._preview = None
        self._set_editable(editable=True)
        if session is None or trained is None:
            return
        try:
            reconstruction = session.result()
        except RuntimeError as error:
            if end.reason is FinishReason.FAILED:
                self._failed(error)
            else:
                session.forget_checkpoint()
                self.panel.show_idle("Discarded.")
            return
        except BaseException as error:  # noqa: BLE001 - whatever ended the training is told to the person
            self._failed(error)
            return
        volume, layer, placement = trained
        preset = reconstruction.record.get("preset", "")
        name = f"{layer.name} · {preset}"
        model = self._models.add(OpenModel(name, reconstruction, placement, volume, weakref.ref(layer)))
        session.forget_checkpoint()
        early = " (stopped early)" if end.reason is FinishReason.STOPPED else ""
        evidence = f"{describe_sections(reconstruction.record)} {describe_evidence(reconstruction.record)}".strip()
        self.panel.show_idle(f"Done{early} in {format_duration(end.seconds)}: {model.name}. {evidence}".strip())

    def _leave(self) -> None:
        """The dock is closed: what shows its training goes."""
        if self._preview is not None:
            self._preview.remove()
        self._preview = None
        self.panel.leave()

    def _failed(self, error: BaseException) -> None:
        self.panel.show_idle(message_of(error))
        report(error)

    def _layer_removed(self, event: Any) -> None:
        if self.run is not None and self._trained is not None and event.value is self._trained[1]:
            from napari.utils.notifications import show_info

            self._end(keep=True)
            show_info("The stack was removed, so its training ends; what was learned is kept as a model.")

    def _follow_viewer(self, event: Any = None) -> None:
        """Ask for previews at the depth that the viewer shows, between two sections."""
        if self.run is None or self._trained is None or self._viewer.dims.ndim < 3:
            return
        volume, _, placement = self._trained
        z = section_in_view(self._viewer, volume, placement.nm_per_unit)
        last = volume.n_sections - 1
        if abs(z - round(z)) < 1e-3:
            z = round(z) + (0.5 if z < last - 0.5 else -0.5)
        self.run.session.control.preview_z = min(max(z, 0.0), float(last))

    def _show_plain_level(self, volume: Volume, arguments: dict[str, Any]) -> None:
        hold_out, leave_out = arguments.get("hold_out", ()), arguments.get("leave_out", ())
        self._levels.forget()
        if hold_out:
            self._levels.submit(
                lambda: plain_psnr_db(volume, hold_out, leave_out),
                done=lambda level: self.panel.curves.set_plain_level(level, "linear"),
            )

    def _edited(self) -> None:
        """Something was changed: whether it can be trained, and what that costs."""
        self._estimate_wanted += 1
        new = self.model is None
        for widget in (self.settings.preset, self.settings.advanced, self.stack.hold_out_choice):
            widget.setEnabled(new and self.run is None)
        self.stack.leave_out_edit.setEnabled(new and self.run is None)
        try:
            self.stack.volume()
            self._arguments()
        except EXPLAINED as error:
            self.panel.train_button.setEnabled(False)
            self.costs.setText("" if isinstance(error, VolumeError) else message_of(error))
            return
        self.panel.train_button.setEnabled(True)
        self.costs.setText("Estimating time and memory…")
        self._settled.start()

    def _estimate(self) -> None:
        if self.run is not None:
            return
        wanted = self._estimate_wanted
        try:
            volume, arguments = self.stack.volume(), self._arguments()
        except EXPLAINED:
            return
        background = self._background
        background.submit(
            lambda: estimate(volume, stop=lambda: background.closed or self._estimate_wanted != wanted, **arguments),
            done=lambda result: self._show_costs(result) if self._estimate_wanted == wanted else None,
            failed=lambda error: self.costs.setText(message_of(error)),
        )

    def _show_costs(self, result: Estimate | None) -> None:
        if result is not None:
            device = "CPU" if result.device == "cpu" else "GPU"
            self.costs.setText(
                f"About {format_duration(result.seconds)} on this machine ({device}), by a short trial, and "
                f"{format_bytes(result.memory_bytes)} of memory."
            )

    def _list_models(self, _: Any = None) -> None:
        chosen = self.model
        self.start_from.blockSignals(True)
        self.start_from.clear()
        self.start_from.addItem(NEW_MODEL, None)
        for model in self._models:
            self.start_from.addItem(f"Go on with {model.name}", model)
        index = next((i for i in range(self.start_from.count()) if self.start_from.itemData(i) is chosen), 0)
        self.start_from.setCurrentIndex(index)
        self.start_from.blockSignals(False)
        self._start_row.setVisible(len(self._models) > 0)

    def _set_editable(self, *, editable: bool) -> None:
        for widget in (self.stack, self.check, self.settings, self.start_from):
            widget.setEnabled(editable)
        self.costs.setVisible(editable)
        self.next_steps.allow(allowed=editable)
        if editable:
            self._edited()


def _title(text: str) -> QLabel:
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label
