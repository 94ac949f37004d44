"""The reconstruction loss and its parts, against scikit-image and by hand."""

import pytest
import torch

from helpers.whole_arrays import ssim_of_scikit_image
from microtome.networks import reconstruction_loss as losses
from microtome.networks.reconstruction_loss import ReconstructionLoss, ssim

HALVES = {"mse": 0.5, "ssim": 0.5, "mae": 0.5}


def images(n: int = 2, *, seed: int = 0) -> torch.Tensor:
    """Draw smooth images with some noise, in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (24, 32), mode="bilinear")
    return (smooth + 0.1 * torch.rand(smooth.shape, generator=generator)).clamp(0, 1)


def loss(one: torch.Tensor, other: torch.Tensor, **weights: float) -> float:
    """The loss of which only the named parts count."""
    return float(ReconstructionLoss(**{**dict.fromkeys(HALVES, 0), **weights})(one, other))


@pytest.mark.parametrize("spread", [0.0, 0.01, 0.1, 0.5])
def test_ssim_is_that_of_scikit_image(spread):
    """Gaussian window of 11 px, sigma 1.5, borders left out: to 1e-4, near 1 and far from it."""
    first = images(3)
    noise = spread * torch.randn(first.shape, generator=torch.Generator().manual_seed(1))
    second = (first + noise).clamp(0, 1)
    expected = ssim_of_scikit_image(*(x.movedim(1, -1).numpy() for x in (first, second)))
    assert float(ssim(first, second)) == pytest.approx(expected, abs=1e-4)
    assert float(ssim(second, first)) == pytest.approx(float(ssim(first, second)), abs=1e-6)


def test_parts_by_hand():
    """A difference of 0.5 in a quarter of the values: 0.0625 and 0.125; and one less SSIM."""
    one, other = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    one[..., :8, :8] = 0.5
    assert loss(one, other, mse=1) == pytest.approx(0.0625)
    assert loss(one, other, mae=1) == pytest.approx(0.125)
    assert loss(one, other, ssim=1) == pytest.approx(1 - float(ssim(one, other)), abs=1e-6)


@pytest.mark.parametrize("weights", [HALVES, {"mse": 0.1, "ssim": 2, "mae": 7}])
def test_each_part_has_its_weight(weights):
    """HistoCAE1's are halves; an image costs nothing against itself."""
    one, other = images(seed=1), images(seed=2)
    expected = sum(weight * loss(one, other, **{name: 1}) for name, weight in weights.items())
    assert loss(one, other, **weights) == pytest.approx(expected, rel=1e-5)
    assert loss(one, one, **weights) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("part", ["mse", "ssim", "mae"])
def test_parts_of_weight_zero_are_not_computed(monkeypatch, part):
    """A variant that leaves a part out does not pay for it, nor does its NaN spoil the loss."""
    computed = []
    for module, name in (
        (losses, "ssim"),
        (losses.functional, "mse_loss"),
        (losses.functional, "l1_loss"),
    ):
        monkeypatch.setattr(module, name, lambda *_, name=name: computed.append(name) or 0.25)
    assert loss(images(), images(), **{part: 0.5}) == (0.375 if part == "ssim" else 0.125)
    assert computed == [{"mse": "mse_loss", "ssim": "ssim", "mae": "l1_loss"}[part]]


def test_half_precision_reconstructions_are_measured_in_full():
    """A reconstruction in bfloat16 has the loss of its values, not of rounded sums."""
    one, other = images(seed=1), images(seed=2).bfloat16()
    measure = ReconstructionLoss(**HALVES)
    assert measure(other, one).dtype == torch.float32
    assert float(measure(other, one)) == pytest.approx(loss(other.float(), one, **HALVES), abs=1e-6)
