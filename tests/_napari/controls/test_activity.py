from napari.utils import progress

from napari_emgauss._napari.controls.activity import Activity


def test_an_entry_that_was_ended_is_begun_by_no_late_news():
    activity = Activity()
    activity.open("training", 10)
    assert len(progress._all_instances) == 1
    activity.end()
    activity.open("training", 10)
    activity.show(3)
    assert not progress._all_instances
