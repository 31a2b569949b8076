"""Test of the GPU that a training would run on."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import text_label
from napari_emgauss._napari.controls.notify import message_of
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.evaluation.self_test import SelfTest, self_test
from napari_emgauss.runtime.device import choose_device


def has_gpu() -> bool:
    """Whether trainings can run on a GPU here."""
    return choose_device("auto").type != "cpu"


class GpuTest(QWidget):
    """Button that tests the GPU in a thread of its own, and what came out, in words."""

    def __init__(self) -> None:
        super().__init__()
        self.button = QPushButton("Test this GPU")
        self.button.setToolTip(
            "Compare the GPU's results with the CPU's, train briefly on both, and measure its speed. Takes a minute."
        )
        self.result = text_label()
        self.result.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self.result)
        self._worker = Worker(self, name="emgauss-gpu-test")
        self.button.clicked.connect(self._test)

    def _test(self) -> None:
        self.button.setEnabled(False)
        self._say("Testing the GPU, which takes a minute…")
        self._worker.submit(lambda: self_test(), done=self._show, failed=self._failed)

    def _show(self, tested: SelfTest) -> None:
        self.button.setEnabled(True)
        self._say(tested.verdict, details=str(tested))

    def _failed(self, error: BaseException) -> None:
        self.button.setEnabled(True)
        self._say(message_of(error))

    def _say(self, text: str, *, details: str = "") -> None:
        self.result.setText(text)
        self.result.setToolTip(details)
        self.result.show()
