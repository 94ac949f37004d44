"""Compiling: the same results, one shape, and no harm where it cannot be done."""

from functools import partial

import pytest
import torch
from torch import nn

from microtome.networks.compiling import compile_for


@pytest.mark.parametrize("n", [1, 2, 4])
def test_a_smaller_batch_is_filled_up(monkeypatch, n):
    """Every batch is computed in the one shape; only its own results come back."""
    shapes = []
    network = nn.Conv2d(3, 2, 3)

    def run(images: torch.Tensor) -> torch.Tensor:
        assert torch.is_inference_mode_enabled()
        shapes.append(tuple(images.shape))
        return network(images)

    monkeypatch.setattr(torch, "compile", lambda _, *, dynamic: dynamic or run)
    compiled = compile_for(network, torch.zeros(4, 3, 8, 8))
    images = torch.rand(n, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(compiled(images), network(images))
    assert shapes == [(4, 3, 8, 8)] * 2


def failing(error: Exception):
    """Stand in for torch.compile, whose networks fail when they are called."""

    def run(images: torch.Tensor) -> torch.Tensor:
        raise error

    return lambda *_, **__: run


def test_where_nothing_can_be_compiled_the_network_stays(monkeypatch, caplog):
    """Without a compiler scoring is slower, and the log says why."""
    fault = RuntimeError("No working C++ compiler found\nlong story")
    monkeypatch.setattr(torch, "compile", failing(fault))
    network = nn.Flatten()
    assert compile_for(network, torch.zeros(1, 2)) is network
    assert caplog.messages == [
        "torch.compile fails, going on without: No working C++ compiler found"
    ]


def test_out_of_memory_is_not_hidden(monkeypatch):
    """It is for the caller to try again with less."""
    monkeypatch.setattr(torch, "compile", failing(torch.OutOfMemoryError()))
    with pytest.raises(torch.OutOfMemoryError):
        compile_for(nn.Flatten(), torch.zeros(1, 2))


def test_what_is_compiled_gives_the_same(monkeypatch):
    """The real thing on a small network, but for the C++ compiler, which takes 20 s."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)).eval()
    images = torch.rand(2, 3, 16, 16)
    run = compile_for(network, images)
    with torch.inference_mode():
        expected = network(images)
        torch.testing.assert_close(run(images), expected, rtol=0, atol=1e-6)
        torch.testing.assert_close(run(images[:1]), expected[:1], rtol=0, atol=1e-6)
