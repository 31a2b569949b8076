from dataclasses import replace

import torch

from napari_emgauss.io.store import JobFolder
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.study import study, study_before
from napari_emgauss.training import Control
from napari_emgauss.training.watch import Watch


def test_networks_of_a_study_by_another_process_are_on_the_device_that_trains(stack, tmp_path):
    setup = prepare(stack, device="cpu", adapt_spacing=False)
    store = JobFolder(tmp_path, setup.fingerprint)
    study(setup, Watch(Control(), emit=lambda event: None), store)
    elsewhere = study_before(replace(setup, device=torch.device("meta")), store)
    assert elsewhere.teacher.learned.on_a_gpu
    assert next(elsewhere.teacher.learned.prior.parameters()).device.type == "meta"
