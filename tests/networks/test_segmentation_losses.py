"""Dice and hybrid losses by hand, and what a segmenter's training minimizes."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from microtome.errors import InputError
from microtome.networks.segmentation_losses import LOSSES, dice_loss
from microtome.training import kinds as model_training
from microtome.training.objectives import segmentation
from networks.test_registry import SEGMENTER

TRUTH = torch.tensor([[[1, 0], [1, 0]]], dtype=torch.uint8)
P = torch.tensor([[[0.9, 0.5], [0.5, 0.3]]])
TUMOUR = 1 - 2 * (0.9 + 0.5) / (0.81 + 0.25 + 0.25 + 0.09 + 2)
OTHER = 1 - 2 * (0.5 + 0.7) / (0.01 + 0.25 + 0.25 + 0.49 + 2)
CROSS_ENTROPY = -(math.log(0.9) + math.log(0.5) + math.log(0.5) + math.log(0.7)) / 4


def logits_of(probability: torch.Tensor) -> torch.Tensor:
    """Two-class logits (B, 2, H, W) of probabilities (B, H, W) of tumour, shifted by 3."""
    return torch.stack([1 - probability, probability], dim=1).log() + 3


def test_dice_loss_counts_the_batch_as_one_heap():
    """A patch with little tumour weighs little: sums are of all px, no mean of patches."""
    p = torch.tensor([[[1.0, 1, 1, 0.5]], [[0.5, 0, 0, 0]]])
    g = torch.tensor([[[1, 1, 1, 0]], [[1, 0, 0, 0]]])
    assert dice_loss(p, g).item() == pytest.approx(1 - 2 * 3.5 / (3.5 + 4), abs=1e-6)


@pytest.mark.parametrize(("found", "there", "expected"), [(0, 0, 0), (1, 0, 1), (0, 1, 1)])
def test_dice_loss_of_one_side_alone(found, there, expected):
    """Tumour that is not there, or is not found, is the whole loss; nothing of neither is none."""
    p = torch.full((1, 2, 2), float(found), requires_grad=True)
    loss = dice_loss(p, torch.full((1, 2, 2), there))
    loss.backward()
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert p.grad.isfinite().all()


@settings(max_examples=50)
@given(
    p=arrays(np.float32, (2, 3, 4), elements=st.floats(0, 1, width=32)),
    g=arrays(np.uint8, (2, 3, 4), elements=st.integers(0, 1)),
)
def test_dice_loss_stays_within_0_and_1(p, g):
    """Whatever is found, and it is 0 for the truth itself."""
    assert -1e-6 <= dice_loss(torch.from_numpy(p), torch.from_numpy(g)).item() <= 1
    truth = torch.from_numpy(g)
    assert dice_loss(truth.float(), truth).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("truth", [0, 1])
@pytest.mark.parametrize("size", [0.0, 60.0, 1e4])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite(name, size, truth):
    """Also of logits that are sure, right or wrong, and of batches of one class."""
    logits = torch.stack([torch.full((2, 4, 4), -size), torch.full((2, 4, 4), size)], dim=1)
    logits.requires_grad_()
    loss = LOSSES[name](logits, torch.full((2, 4, 4), truth, dtype=torch.uint8))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def fixed(logits: torch.Tensor):
    """Make a network that gives the same logits for all images."""
    return lambda _images: logits.requires_grad_()


def test_loss_is_computed_without_autocast(monkeypatch):
    """Whatever the network gives in mixed precision, the loss gets float32 and stays there."""
    seen = []

    def loss(logits, _truth):
        seen.append((logits.dtype, torch.is_autocast_enabled("cpu")))
        return logits.sum()

    monkeypatch.setitem(LOSSES, "hybrid", loss)
    model = fixed(logits_of(P).bfloat16())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        segmentation("hybrid")(model, torch.zeros(1, 3, 2, 2), TRUTH)
    assert seen == [(torch.float32, False)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cross_entropy", CROSS_ENTROPY),
        ("hybrid", 0.5 * CROSS_ENTROPY + 0.25 * (TUMOUR + OTHER)),
        ("dice", TUMOUR),
    ],
)
def test_objective_of_each_loss(name, expected):
    """What is minimized is the loss as worked out by hand, and nothing else."""
    scalars = segmentation(name)(fixed(logits_of(P)), torch.zeros(1, 3, 2, 2), TRUTH)
    assert set(scalars) == {"loss", "accuracy", "dice"}
    assert scalars["loss"].item() == pytest.approx(expected, abs=1e-6)
    scalars["loss"].backward()
    assert not scalars["accuracy"].requires_grad
    assert not scalars["dice"].requires_grad


@settings(max_examples=30)
@given(
    p=arrays(np.bool_, (2, 4, 3)),
    g=arrays(np.uint8, (2, 4, 3), elements=st.integers(0, 1)),
)
def test_dice_of_a_batch_is_the_f1_score(p, g):
    """Of all its px together, as the share of right px; 1 where no tumour is true or found."""
    logits = logits_of(torch.from_numpy(p).float() * 0.5 + 0.25)
    found = segmentation("dice")(fixed(logits), torch.zeros(2, 3, 4, 3), torch.from_numpy(g))
    expected = f1_score(g.ravel(), p.ravel(), zero_division=1)
    assert found["dice"].item() == pytest.approx(expected)
    assert found["accuracy"].item() == pytest.approx((p == g).mean())


def test_unknown_loss():
    """It is refused with those that are."""
    with pytest.raises(InputError, match="no loss focal; set loss to one of cross_entropy, hybrid"):
        segmentation("focal")


@pytest.mark.parametrize(("key", "name"), [({}, "cross_entropy"), ({"loss": "hybrid"}, "hybrid")])
def test_loss_of_an_entry(monkeypatch, key, name):
    """A segmenter is trained with the loss its entry names, without with cross-entropy."""
    asked = []
    monkeypatch.setattr(model_training, "fit", lambda _, objective, **__: asked.append(objective))
    data = SimpleNamespace(require_both_classes=lambda _: None, identity=lambda: "patches")
    entry = {**SEGMENTER, "training": {}, "seed": 0, **key}
    model_training.train_model("m", entry, data, data, autoencoders=[], checkpoint="", code="")
    found = asked[0](fixed(logits_of(P)), torch.zeros(1, 3, 2, 2), TRUTH)
    assert found["loss"].item() == LOSSES[name](logits_of(P), TRUTH).item()
