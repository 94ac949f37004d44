"""How many patches go through a network at a time."""

import pytest
import torch

from microtome.inference import batch_size as batch_sizes
from microtome.inference.batch_size import fitting_batch

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("side", "expected"), [(256, 8), (128, 32), (1024, 1), (512, 2), (224, 10)]
)
def test_on_a_cpu_it_follows_from_the_size(side, expected):
    """Eight patches of 256 px, as many px of others, and one at least; nothing is tried."""
    assert fitting_batch(None, (3, side, side), CPU) == expected
    assert fitting_batch(None, (2, 3, side, side), CPU) == expected


class Card:
    """A GPU that each patch takes so much of, beside what the first costs; sizes in bytes."""

    def __init__(self, monkeypatch, *, free: int, fixed: int, each: int) -> None:
        self.peak = 0
        self.free, self.fixed, self.each = free, fixed, each
        for name in ("reset_peak_memory_stats", "synchronize"):
            monkeypatch.setattr(torch.cuda, name, lambda *_: None)
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 0)
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: self.peak)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (self.free, 2 * self.free))
        # Tensors for the card are made here, on the CPU.
        zeros = torch.zeros
        monkeypatch.setattr(batch_sizes.torch, "zeros", lambda shape, device: zeros(shape))

    def work(self, images: torch.Tensor) -> None:
        """Use the card."""
        self.peak = self.fixed + self.each * len(images)
        if self.peak > self.free:
            raise torch.OutOfMemoryError


@pytest.mark.parametrize(
    ("free", "fixed", "each", "expected"),
    [
        (1000, 100, 50, 14),  # 100 + 14 * 50 = 800, four fifths
        (1000, 0, 1, 256),  # no more than helps
        (1000, 100, 500, 1),
        (1000, 950, 100, 1),  # not even one fits: what follows says so
    ],
)
def test_on_a_gpu_it_fills_the_memory(monkeypatch, free, fixed, each, expected):
    """Four fifths of what is free, by what a second patch takes more than a first."""
    card = Card(monkeypatch, free=free, fixed=fixed, each=each)
    assert fitting_batch(card.work, (3, 8, 8), torch.device("cuda")) == expected
