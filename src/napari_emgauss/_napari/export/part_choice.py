"""The part of a model that is chosen for export."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.export.part_form import PartForm
from napari_emgauss._napari.viewer.model_list import ModelList
from napari_emgauss._napari.viewer.models import NO_MODEL, OpenModel, open_models
from napari_emgauss._napari.viewer.regions import chosen_region
from napari_emgauss.errors import VolumeError
from napari_emgauss.resampling.evened import EvenedSections
from napari_emgauss.resampling.planes import Planes


class PartChoice:
    """Fills a `PartForm` for the chosen model, and makes a part of what is entered.

    Parameters
    ----------
    form
        The view.
    viewer
        Whose models, camera and shapes are looked at.
    connections
        The widget's, with which this ends.
    """

    def __init__(self, form: PartForm, viewer: Any, connections: Connections) -> None:
        self._form, self._viewer = form, viewer
        self._models = ModelList(form.models, open_models(viewer), connections)
        form.changed.connect(self._describe_conversion)
        form.models.changed.connect(self._take_model)
        self._take_model()

    @property
    def model(self) -> OpenModel | None:
        """The chosen model, if there is one."""
        return self._models.model

    def part(self) -> Planes:
        """Return the part as chosen.

        Raises
        ------
        VolumeError, ConfigError, SectionRangeError
            It is impossible; the message says why.
        """
        model, form = self.model, self._form
        if model is None:
            raise VolumeError(NO_MODEL)
        drawn = model.reconstruction
        return Planes(
            EvenedSections(drawn, drawn.observed) if form.even.isChecked() else drawn,
            form.voxel_size_nm,
            region=chosen_region(
                form.region_choice.item, self._viewer, model.reconstruction, model.placement.nm_per_unit
            ),
            z_range=form.z_range,
            dtype=form.dtype,
        )

    def _take_model(self) -> None:
        self._form.setEnabled(self.model is not None)
        if self.model is None:
            self._form.clear()
            return
        rec = self.model.reconstruction
        self._form.begin(n_sections=rec.shape[0], fine_nm=min(rec.voxel_size_nm[1:]), dtype=rec.dtype.name)

    def _describe_conversion(self) -> None:
        model, dtype = self.model, self._form.dtype
        text = "" if model is None or dtype is None else Planes(model.reconstruction, dtype=dtype).conversion.describe()
        self._form.show_conversion(text)
