import threading

import torch

from napari_emgauss.runtime.torch_threads import use_one_torch_thread


def test_only_the_calling_thread_does_without_torchs_helpers():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        seen = {}

        def work() -> None:
            use_one_torch_thread()
            torch.ones(100_000).exp()
            seen["drawing"] = torch.get_num_threads()

        def later() -> None:
            torch.ones(100_000).exp()
            seen["later"] = torch.get_num_threads()

        for target in (work, later):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        assert seen == {"drawing": 1, "later": 3}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
