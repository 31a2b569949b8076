import pytest
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


@pytest.mark.parametrize("news", [lambda activity: activity.open("again", 5), Activity.close, Activity.end])
def test_news_that_come_while_an_entry_begins_leave_none_behind(news):
    # napari processes all events before an entry is there.
    activity, told = Activity(), []

    def tell(event):
        if event.added and not told:
            told.append(news)
            news(activity)

    progress._all_instances.events.changed.connect(tell)
    try:
        activity.open("training", 10)
        assert len(progress._all_instances) == int(news not in (Activity.close, Activity.end))
        activity.close()
        assert not progress._all_instances
    finally:
        progress._all_instances.events.changed.disconnect(tell)
        for left in list(progress._all_instances):
            left.close()
