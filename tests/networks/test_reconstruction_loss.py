"""The reconstruction loss and its parts, against scikit-image and by hand."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from microtome.networks import reconstruction_loss as losses
from microtome.networks.reconstruction_loss import ReconstructionLoss, ssim

HALVES = {"mse": 0.5, "ssim": 0.5, "mae": 0.5}


def images(n: int = 2, *, side: int = 24, seed: int = 0) -> torch.Tensor:
    """Draw smooth images with some noise, in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (side, side + 8), mode="bilinear")
    return (smooth + 0.1 * torch.rand(smooth.shape, generator=generator)).clamp(0, 1)


@pytest.mark.parametrize("spread", [0.0, 0.01, 0.1, 0.5])
def test_ssim_is_that_of_scikit_image(spread):
    """Gaussian window of 11 px, sigma 1.5, borders left out: to 1e-4, near 1 and far from it."""
    first = images(3)
    noise = spread * torch.randn(first.shape, generator=torch.Generator().manual_seed(1))
    second = (first + noise).clamp(0, 1)
    expected = [
        structural_similarity(
            one.numpy(),
            other.numpy(),
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for one, other in zip(first, second, strict=True)
    ]
    assert float(ssim(first, second)) == pytest.approx(np.mean(expected), abs=1e-4)


def test_ssim_of_flat_images_by_hand():
    """Two flat images differ in luminance alone: (2ab + C1) / (a² + b² + C1)."""
    first, second = torch.full((1, 3, 16, 16), 0.2), torch.full((1, 3, 16, 16), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.04 + 0.36 + 1e-4)
    assert float(ssim(first, second)) == pytest.approx(expected, abs=1e-4)


def test_ssim_of_an_image_with_itself_is_one():
    """Nothing is more alike than the same image, and it does not depend on the order."""
    first, second = images(seed=1), images(seed=2)
    assert float(ssim(first, first)) == pytest.approx(1, abs=1e-6)
    assert float(ssim(first, second)) == pytest.approx(float(ssim(second, first)), abs=1e-6)


def test_ssim_has_a_gradient():
    """Following the gradient makes images more alike."""
    target = images(1)
    guess = images(1, seed=5).requires_grad_()
    before = ssim(guess, target)
    before.backward()
    assert torch.isfinite(guess.grad).all()
    step = 1e-3 * guess.grad / guess.grad.abs().max()
    assert float(ssim((guess + step).detach(), target)) > float(before.detach())


def test_smallest_image():
    """The window fits once into 11 px; that is one value."""
    first, second = torch.rand(1, 1, 11, 11), torch.rand(1, 1, 11, 11)
    assert -1 <= float(ssim(first, second)) < 1


def test_mse_and_mae_by_hand():
    """A difference of 0.5 in a quarter of the values: 0.0625 and 0.125."""
    one, other = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    one[..., :8, :8] = 0.5
    mse = ReconstructionLoss(mse=1, ssim=0, mae=0)(one, other)
    mae = ReconstructionLoss(mse=0, ssim=0, mae=1)(one, other)
    assert float(mse) == pytest.approx(0.0625)
    assert float(mae) == pytest.approx(0.125)


def test_ssim_part_is_one_minus_ssim():
    """1 - SSIM, not half of it."""
    one, other = images(seed=1), images(seed=2)
    found = ReconstructionLoss(mse=0, ssim=1, mae=0)(one, other)
    assert float(found) == pytest.approx(1 - float(ssim(one, other)), abs=1e-6)


def test_histocae1_is_half_of_each():
    """LR = 0.5 MSE + 0.5 (1 - SSIM) + 0.5 MAE."""
    one, other = images(seed=1), images(seed=2)
    difference = (one - other).double()
    expected = 0.5 * (
        float((difference**2).mean()) + 1 - float(ssim(one, other)) + float(difference.abs().mean())
    )
    assert float(ReconstructionLoss(**HALVES)(one, other)) == pytest.approx(expected, abs=1e-6)


def test_perfect_reconstruction_costs_nothing():
    """The loss of an image with itself is 0."""
    one = images()
    assert float(ReconstructionLoss(**HALVES)(one, one)) == pytest.approx(0, abs=1e-6)


def test_weights_may_differ():
    """Each part has its own weight."""
    one, other = images(seed=1), images(seed=2)
    parts = {
        name: float(ReconstructionLoss(**{**dict.fromkeys(HALVES, 0), name: 1})(one, other))
        for name in HALVES
    }
    found = ReconstructionLoss(mse=0.1, ssim=2, mae=7)(one, other)
    expected = 0.1 * parts["mse"] + 2 * parts["ssim"] + 7 * parts["mae"]
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("part", ["mse", "ssim", "mae"])
def test_parts_of_weight_zero_are_not_computed(monkeypatch, part):
    """A variant that leaves a part out does not pay for it, nor does its NaN spoil the loss."""

    def fail(*_):
        raise AssertionError("computed")

    monkeypatch.setattr(losses, "ssim", fail)
    monkeypatch.setattr(losses.functional, "mse_loss", fail)
    monkeypatch.setattr(losses.functional, "l1_loss", fail)
    one = images()
    with pytest.raises(AssertionError, match="computed"):
        ReconstructionLoss(**{**dict.fromkeys(HALVES, 0), part: 0.5})(one, one)
    monkeypatch.setattr(
        losses if part == "ssim" else losses.functional,
        {"mse": "mse_loss", "ssim": "ssim", "mae": "l1_loss"}[part],
        lambda *_: torch.tensor(0.25),
    )
    found = ReconstructionLoss(**{**dict.fromkeys(HALVES, 0), part: 0.5})(one, one)
    assert float(found) == pytest.approx(0.375 if part == "ssim" else 0.125)


def test_half_precision_reconstructions_are_measured_in_full():
    """A reconstruction in bfloat16 has the loss of its values, not of rounded sums."""
    one, other = images(seed=1), images(seed=2).bfloat16()
    loss = ReconstructionLoss(**HALVES)
    assert loss(other, one).dtype == torch.float32
    assert float(loss(other, one)) == pytest.approx(float(loss(other.float(), one)), abs=1e-6)
