"""The pool of threads never changes a result, deadlocks or loses an error."""

import os
import threading

import pytest
import torch

from napari_emgauss.render import get_threads, set_threads, splat
from napari_emgauss.runtime.threads import even_ranges, for_each, usable_cores


@pytest.fixture(autouse=True)
def default_threads():
    yield
    set_threads(None)


def scene(seed):
    g = torch.Generator().manual_seed(seed)
    means, weights = 120 * torch.rand(400, 2, generator=g), torch.rand(400, generator=g)
    return means, torch.tensor([[0.2, 0.05, 0.1]]).repeat(400, 1), weights, torch.rand(400, generator=g)


def results(seed, mode):
    leaves = [tensor.requires_grad_() for tensor in scene(seed)]
    image = splat(*leaves[:3], (120, 120), opacities=leaves[3], mode=mode)
    image.square().sum().backward()
    return [image.detach(), *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize("mode", ["sum", "alpha"])
def test_results_do_not_depend_on_the_number_of_threads(mode):
    by_threads = []
    for n in (1, 2, 5):
        set_threads(n)
        assert get_threads() == n
        by_threads.append(results(0, mode))
    for other in by_threads[1:]:
        assert all(torch.equal(a, b) for a, b in zip(by_threads[0], other, strict=True))


def test_two_python_threads_draw_at_once_what_each_draws_alone():
    set_threads(2)
    alone = {(seed, mode): results(seed, mode) for seed in (1, 2) for mode in ("sum", "alpha")}
    wrong = []

    def work(seed):
        for mode in ("sum", "alpha") * 5:
            together = results(seed, mode)
            if not all(torch.equal(a, b) for a, b in zip(together, alone[seed, mode], strict=True)):
                wrong.append((seed, mode))

    workers = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert not any(worker.is_alive() for worker in workers)
    assert wrong == []


def test_every_part_is_done_once_even_when_nested():
    set_threads(2)
    done = []
    for_each(lambda outer: for_each(lambda inner: done.append((outer, inner)), range(4)), range(4))
    assert sorted(done) == [(outer, inner) for outer in range(4) for inner in range(4)]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_a_part_reaches_the_caller(threads):
    set_threads(threads)

    def work(part):
        if part == 5:
            raise ArithmeticError("part 5")

    with pytest.raises(ArithmeticError, match="part 5"):
        for_each(work, range(8))


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_a_thread_count_that_is_no_positive_whole_number_is_an_error(n):
    with pytest.raises(ValueError, match="threads must be"):
        set_threads(n)


def test_splitting_covers_the_range_once():
    for n, parts in ((10, 3), (2, 8), (0, 4), (7, 1)):
        ranges = even_ranges(n, parts)
        assert [k for first, stop in ranges for k in range(first, stop)] == list(range(n))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_draws_with_a_pool_of_its_own():
    set_threads(2)
    means, conics, weights, _ = scene(3)
    expected = splat(means, conics, weights, (120, 120))
    child = os.fork()
    if child == 0:
        same = torch.equal(splat(means, conics, weights, (120, 120)), expected)
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_process_uses_some_of_the_machines_cores():
    assert 1 <= usable_cores() <= os.cpu_count()
