"""Where a network runs, and in which precision."""

import pytest
import torch

from microtome.networks import devices

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.mark.parametrize(
    ("capability", "dtype", "scaled"),
    [
        ((7, 5), torch.float16, True),  # T4
        ((8, 0), torch.bfloat16, False),  # A100
        ((12, 0), torch.bfloat16, False),
    ],
)
def test_precision_by_the_card(monkeypatch, capability, dtype, scaled):
    """A V100 gets float16 with loss scaling, cards from Ampere on bfloat16 without."""
    chosen = []
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype: chosen.append((kind, dtype)))
    assert devices.needs_loss_scaling(CUDA) is scaled
    devices.autocast(CUDA)
    assert chosen == [("cuda", dtype)]


def test_full_precision_on_a_cpu():
    """Without a GPU everything is float32, and no loss is scaled."""
    with devices.autocast(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    assert not devices.needs_loss_scaling(CPU)
