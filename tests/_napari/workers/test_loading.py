import gc
import threading
import weakref

import numpy as np

from napari_emgauss._napari.workers.loading import Loader

WAIT_S = 60


def test_the_thread_that_loads_planes_does_not_keep_their_timer(qtbot):
    loader, begun, hold = Loader(lambda key, block: None), threading.Event(), threading.Event()
    loader.request([("a", lambda: begun.set() or (hold.wait(WAIT_S) and np.zeros(1)))])
    begun.wait(WAIT_S)
    itself = weakref.ref(loader)
    del loader
    gc.collect()
    assert itself() is None
    hold.set()
