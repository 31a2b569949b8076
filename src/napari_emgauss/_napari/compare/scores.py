"""The scores on held-out sections: a small table, and what it means in a sentence."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_emgauss._napari.controls.notify import message_of, report
from napari_emgauss._napari.workers.background import Background
from napari_emgauss._napari.workers.turns import Turns
from napari_emgauss.evaluation import HeldOut, held_out_sections, score_held_out
from napari_emgauss.evaluation.plain import in_words
from napari_emgauss.interpolation.plain import Baseline
from napari_emgauss.methods.emgauss import Reconstruction
from napari_emgauss.volume import Volume

POLL_MS = 100
NOTHING_HELD_OUT = (
    "No sections were held out of this training, so nothing says how good it is on your stack. To find out, train "
    "once more in 'Reconstruct' with 'Hold out' set to every 4th or 8th section."
)
ABOUT = (
    "Held-out sections were kept from the training and from the interpolations. The gaps there are twice as wide as "
    "elsewhere, for all of them.\nPSNR: fidelity in decibels. SSIM: likeness of structure, at most 1. More is better."
)
_WORDS = {"nearest": "Nearest section", "linear": "Linear", "cubic": "Cubic", "flow": "Optical flow"}


class Scores(QWidget):
    """Scores a model in the background when told to.

    ``chosen`` tells which interpolation's row was clicked, ``wanted`` which one a layer is to be made by.
    """

    chosen = Signal(object)
    wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.result: HeldOut | None = None
        self._turns = Turns(self)
        self._background = Background(self, name="emgauss-compare-scores")
        self._done = _Done()
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.instead = QPushButton()
        self.instead.setToolTip("Add the stack, interpolated to cubic voxels, as a layer: no model is needed for that.")
        self.instead.clicked.connect(self._want_better)
        self.progress = QProgressBar()
        self.progress.setFormat("Scoring held-out sections: %v of %m")
        self.table = QTableWidget(0, 3)
        self._set_up_table()
        self._poll = QTimer(self)
        self._poll.setInterval(POLL_MS)
        self._poll.timeout.connect(self._show_progress)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.verdict, self.instead, self.progress, self.table):
            layout.addWidget(widget)
        self.clear()

    @property
    def busy(self) -> bool:
        """Whether scores are being made."""
        return self._background.busy

    def _set_up_table(self) -> None:
        table = self.table
        table.setHorizontalHeaderLabels(["Method", "PSNR (dB)", "SSIM"])
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        table.setShowGrid(False)
        table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header, side = table.horizontalHeader(), table.verticalHeader()
        assert header is not None
        assert side is not None
        side.hide()
        self._header = header
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionsClickable(False)
        table.setToolTip(f"{ABOUT}\nClick on an interpolation to see it above.")
        table.cellClicked.connect(self._clicked)

    def clear(self) -> None:
        """Show nothing; scores still being made are dropped."""
        self._turns.end()
        self._background.forget()
        self._poll.stop()
        self.result = None
        self.verdict.setText("")
        for widget in (self.verdict, self.instead, self.table, self.progress):
            widget.hide()

    def score(self, reconstruction: Reconstruction, volume: Volume) -> None:
        """Score in the background and show the result."""
        self.clear()
        if not held_out_sections(reconstruction):
            self._say(NOTHING_HELD_OUT)
            return
        over, self._done = self._turns.begin(), _Done()
        done = self._done
        self.progress.setRange(0, 0)
        self.progress.show()
        self._poll.start()

        def work() -> HeldOut | None:
            return score_held_out(volume, reconstruction, stop=over, progress=done.tell)

        self._background.submit(
            work,
            done=lambda result: None if over() else self._show(result),
            failed=lambda error: None if over() else self._fail(error),
        )

    def _show(self, result: HeldOut | None) -> None:
        self._poll.stop()
        self.progress.hide()
        if result is None:
            return
        self.result = result
        self._say(result.verdict())
        self.table.setRowCount(len(result.rows))
        best = result.best_plain
        self.instead.setText(f"Make a layer by {in_words(best.method)}")
        self.instead.setVisible(not result.pays)
        for i, row in enumerate(result.rows):
            bold = row.kind == "reconstruction" or row is best
            cells = (label_of(row.method), f"{row.psnr_db:.2f}", f"{row.ssim:.3f}")
            for k, text in enumerate(cells):
                self.table.setItem(i, k, _cell(text, number=k > 0, bold=bold))
        self.table.show()
        self.table.resizeRowsToContents()
        rows = sum(self.table.rowHeight(i) for i in range(self.table.rowCount()))
        self.table.setFixedHeight(rows + self._header.sizeHint().height() + 2)

    def _want_better(self) -> None:
        if self.result is not None:
            self.wanted.emit(self.result.best_plain.method)

    def _fail(self, error: BaseException) -> None:
        self._poll.stop()
        self.progress.hide()
        self._say(message_of(error))
        report(error)

    def _say(self, text: str) -> None:
        self.verdict.setText(text)
        self.verdict.setToolTip(ABOUT)
        self.verdict.show()

    def _show_progress(self) -> None:
        done, total = self._done.images
        if total:
            self.progress.setRange(0, total)
            self.progress.setValue(done)

    def _clicked(self, row: int, _column: int) -> None:
        if self.result is not None and self.result.rows[row].kind == "baseline":
            self.chosen.emit(Baseline.parse(self.result.rows[row].method))


class _Done:
    """How far a scoring is, told by its thread and read by the GUI's."""

    def __init__(self) -> None:
        self.images = (0, 0)

    def tell(self, done: int, total: int) -> None:
        self.images = (done, total)


def label_of(method: str) -> str:
    """Name of a method in the table, like 'Optical flow + blur 0.7'."""
    if method == "emgauss":
        return "EMGauss"
    baseline = Baseline.parse(method)
    return _WORDS[baseline.method] + (f" + blur {baseline.blur_px:g}" if baseline.blur_px else "")


def _cell(text: str, *, number: bool, bold: bool) -> Any:
    item = QTableWidgetItem(text)
    font = item.font()
    font.setBold(bold)
    item.setFont(font)
    if number:
        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item
