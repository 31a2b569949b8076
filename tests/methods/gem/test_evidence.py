from napari_emgauss.io.store import JobMemory
from napari_emgauss.methods.gem.evidence import chosen_gaussians
from napari_emgauss.methods.gem.setup import prepare
from napari_emgauss.methods.gem.study import study
from napari_emgauss.training import Control, Watch


def test_sign_and_number_are_those_that_explain_hidden_images_best_and_are_tried_once(particles):
    found, store = study(prepare(particles, refine="off", shape_iterations=6)), JobMemory()
    choice = chosen_gaussians(found, store, Watch(Control(), lambda event: None))
    sign = "positive" if choice.positive else "signed"
    assert min(choice.losses, key=choice.losses.get) == f"{sign}, {choice.share:g}"
    assert len(choice.losses) == 4  # two signs with one number, then two more numbers
    stopped = Control()
    stopped.stop()  # nothing could be trained any more
    assert chosen_gaussians(found, store, Watch(stopped, lambda event: None)) == choice


def test_nothing_is_tried_where_the_settings_say_both(particles):
    found = study(prepare(particles, refine="off", amplitudes="signed", n_gaussians=50))
    choice = chosen_gaussians(found, JobMemory(), Watch(Control(), lambda event: None))
    assert (choice.positive, choice.share, choice.losses) == (False, 1.0, {})
