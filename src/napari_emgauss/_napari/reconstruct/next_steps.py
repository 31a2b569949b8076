"""What to do with a trained model: look at it, save it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QGridLayout, QLabel, QMenu, QPushButton, QWidget

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.replacing import may_replace
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss._napari.workers.background import Background

PLUGIN, SUFFIX = "napari-emgauss", ".emgauss"
WIDGETS = {
    "Explore z": "Scrub through the depths between the sections.",
    "Compare": "See it beside plain interpolation, with scores on held-out sections.",
    "Export isotropic": "Make an isotropic layer or file.",
}


class NextSteps(QWidget):
    """Buttons for the open models; hidden until there is one, and while another is trained."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._models = open_models(viewer)
        self._allowed = True
        self._connections = Connections(self)
        self._background = Background(self, name="emgauss-save")
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Next:"), 0, 0, 1, 2)
        self.buttons = {}
        for i, (name, tip) in enumerate(WIDGETS.items()):
            self.buttons[name] = _button(name, tip)
            self.buttons[name].clicked.connect(lambda _=False, name=name: self.open(name))
            layout.addWidget(self.buttons[name], 1 + i // 2, i % 2)
        self.save_button = _button("Save model…", "Keep it in a file (.emgauss) to open again or train further.")
        self.save_button.clicked.connect(lambda: self._choose_and_save())
        layout.addWidget(self.save_button, 2, 1)
        for signal in (self._models.added, self._models.removed):
            self._connections.connect(signal, self._update)
        if len(self._models) == 0:  # else it is shown with its parent; by itself it would be a window
            self.hide()

    def allow(self, *, allowed: bool) -> None:
        """Show the buttons, if there is a model, or hide them."""
        self._allowed = allowed
        self._update()

    def open(self, name: str) -> None:
        """Open another widget of the plugin beside this one."""
        self._viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)

    def ask_and_save(self, model: OpenModel) -> None:
        """Ask where and save."""
        suggestion = model.name.split(" · ")[0] + SUFFIX
        name, _ = QFileDialog.getSaveFileName(self, "Save model", suggestion, f"EMGauss model (*{SUFFIX})")
        if not name:
            return
        path = Path(name if name.endswith(SUFFIX) else f"{name}{SUFFIX}")
        # The dialog has asked about the name as it was typed.
        if str(path) == name or may_replace(self, path):
            self.save(path, model)

    def save(self, path: Path, model: OpenModel) -> None:
        """Save a model in the background."""
        from napari.utils.notifications import show_info

        reconstruction = model.reconstruction
        self._background.submit(lambda: reconstruction.save(path), done=lambda saved: show_info(f"Saved {saved}"))

    def _choose_and_save(self) -> None:
        models = list(self._models)
        if len(models) == 1:
            self.ask_and_save(models[0])
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for model in reversed(models):
            menu.addAction(model.name, lambda model=model: self.ask_and_save(model))
        menu.popup(self.save_button.mapToGlobal(self.save_button.rect().bottomLeft()))

    def _update(self, _: OpenModel | None = None) -> None:
        self.setVisible(self._allowed and len(self._models) > 0)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
