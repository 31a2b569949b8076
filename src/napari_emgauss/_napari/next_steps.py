"""What to do with a trained model: look at it, save it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QGridLayout, QLabel, QPushButton, QWidget

from napari_emgauss._napari.background import Background
from napari_emgauss._napari.models import OpenModel

PLUGIN = "napari-emgauss"
WIDGETS = {
    "Explore z": "Scrub through the depths between the sections.",
    "Compare": "See it beside plain interpolation, with scores on held-out sections.",
    "Export isotropic": "Make an isotropic layer or file.",
}


class NextSteps(QWidget):
    """Buttons for the newest model; hidden until there is one."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._background = Background(self, name="emgauss-save")
        self._model: OpenModel | None = None
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Next:"), 0, 0, 1, 2)
        self.buttons = {}
        for i, (name, tip) in enumerate(WIDGETS.items()):
            self.buttons[name] = _button(name, tip)
            self.buttons[name].clicked.connect(lambda _=False, name=name: self.open(name))
            layout.addWidget(self.buttons[name], 1 + i // 2, i % 2)
        self.save_button = _button("Save model…", "Keep it in a file (.emgauss) to open again or train further.")
        self.save_button.clicked.connect(lambda: self.ask_and_save())
        layout.addWidget(self.save_button, 2, 1)
        self.hide()

    def show_model(self, model: OpenModel) -> None:
        """Offer the steps for ``model``."""
        self._model = model
        self.show()

    def open(self, name: str) -> None:
        """Open another widget of the plugin beside this one."""
        self._viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)

    def ask_and_save(self) -> None:
        """Ask where and save."""
        if self._model is None:
            return
        suggestion = self._model.name.split(" · ")[0] + ".emgauss"
        path, _ = QFileDialog.getSaveFileName(self, "Save model", suggestion, "EMGauss model (*.emgauss)")
        if path:
            self.save(Path(path if path.endswith(".emgauss") else f"{path}.emgauss"))

    def save(self, path: Path) -> None:
        """Save the model in the background."""
        if self._model is None:
            return
        from napari.utils.notifications import show_info

        reconstruction = self._model.reconstruction
        self._background.submit(lambda: reconstruction.save(path), done=lambda saved: show_info(f"Saved {saved}"))


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
