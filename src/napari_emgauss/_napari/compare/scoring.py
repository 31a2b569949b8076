"""The controller of the scores: has a model scored in the background."""

from __future__ import annotations

from psygnal import Signal

from napari_emgauss._napari.compare.scores import ScoresRow, ScoresView
from napari_emgauss._napari.controls.notify import message_of, report
from napari_emgauss._napari.workers.gui_call import GuiCall
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.evaluation import HeldOut, Place, Places, held_out_sections, places_by_uncertainty, score_held_out
from napari_emgauss.interpolation.plain import Baseline
from napari_emgauss.methods.emgauss import Reconstruction, hidden_in_words, hidden_verdict
from napari_emgauss.resampling.plain import in_words
from napari_emgauss.volume import Volume

PROGRESS_EVERY_MS = 100
NOTHING_HIDDEN = "Nothing was hidden while this model was made, so nothing says how good it is on your stack."
HOLD_OUT = (
    " To have the result itself scored, with pictures, train on a part with 'Hold out' set to every 4th or 8th section."
)
JUDGED = "On held-out sections: where structures are better, or worse, than by the best plain interpolation."
EXPECTED = "Between sections: where the error to expect is smallest, or largest."
_WORDS = {"nearest": "Nearest section", "linear": "Linear", "cubic": "Cubic", "flow": "Optical flow"}


class Scoring:
    """Fills a `ScoresView`.

    ``chosen`` tells which interpolation's row was clicked, ``place_chosen`` where to look, ``wanted`` by which
    interpolation a layer is to be made.
    """

    chosen = Signal(Baseline)
    place_chosen = Signal(Place)
    wanted = Signal(str)

    def __init__(self, view: ScoresView) -> None:
        self._view = view
        self._worker = Worker(view, name="emgauss-compare-scores")
        self._done = (0, 0)
        self._progress = GuiCall(self._show_progress, every_ms=PROGRESS_EVERY_MS)
        self.result: HeldOut | None = None
        view.destroyed.connect(self._progress.close)
        view.row_clicked.connect(self._row_clicked)
        view.places.chosen.connect(self.place_chosen.emit)
        view.instead_wanted.connect(self._instead_wanted)

    @property
    def busy(self) -> bool:
        """Whether scores are being made."""
        return self._worker.busy

    def clear(self) -> None:
        """Show nothing; scores still being made are dropped."""
        self._worker.forget()
        self.result = None
        self._view.clear()

    def score(self, reconstruction: Reconstruction, volume: Volume) -> None:
        """Score in the background and show the result."""
        self.clear()
        if not held_out_sections(reconstruction):
            about = reconstruction.record, reconstruction.voxel_size_nm
            self._view.show_text((hidden_in_words(*about) or NOTHING_HIDDEN) + HOLD_OUT, hidden_verdict(*about))
            self._worker.submit_newest(lambda: places_by_uncertainty(reconstruction), done=self._offer_surest)
            return
        self._view.show_progress(0, 0)

        def work() -> HeldOut | None:
            return score_held_out(
                volume, reconstruction, stop=lambda: self._worker.overtaken, progress=self._note_progress
            )

        self._worker.submit_newest(work, done=self._show, failed=self._fail)

    def _note_progress(self, done: int, total: int) -> None:
        if not self._worker.overtaken:
            self._done = done, total
            self._progress.request()

    def _show_progress(self) -> None:
        if self.busy and self.result is None:
            self._view.show_progress(*self._done)

    def _show(self, result: HeldOut | None) -> None:
        self._view.progress.hide()
        if result is None:
            return
        self.result = result
        self._view.show_text(result.in_words(), result.verdict())
        self._view.places.offer(result.places, tip=JUDGED)
        best = result.best_plain
        rows = [
            ScoresRow(
                label_of(row.method),
                f"{row.psnr_db:.2f}",
                f"{row.ssim:.3f}",
                f"{row.structure:.3f}",
                row.kind == "reconstruction" or row is best,
            )
            for row in result.rows
        ]
        self._view.show_scores(rows, "" if result.pays else f"Make a layer by {in_words(best.method)}")

    def _offer_surest(self, places: Places) -> None:
        self._view.places.offer(places, best="Surest places", worst="Least sure", tip=EXPECTED)

    def _fail(self, error: BaseException) -> None:
        self._view.progress.hide()
        self._view.show_text(message_of(error))
        report(error)

    def _row_clicked(self, row: int) -> None:
        if self.result is not None and self.result.rows[row].kind == "baseline":
            self.chosen.emit(Baseline.parse(self.result.rows[row].method))

    def _instead_wanted(self) -> None:
        if self.result is not None:
            self.wanted.emit(self.result.best_plain.method)


def label_of(method: str) -> str:
    """Return the name of a method in the table, like 'Optical flow + blur 0.7'."""
    if method == "emgauss":
        return "EMGauss"
    baseline = Baseline.parse(method)
    return _WORDS[baseline.method] + (f" + blur {baseline.blur_px:g}" if baseline.blur_px else "")
