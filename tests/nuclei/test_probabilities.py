"""What classifiers and segmenters say of px: maps as of the whole image, means of crops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from helpers.pictures import noise
from microtome.errors import InputError
from microtome.nuclei.probabilities import crop_starts, predict_attributes, predict_map


class Blur(nn.Module):
    """A px's logit is made of the reds of 5 x 5 px, those beyond the window taken for black."""

    reach_px, lattice_px = 2, 4

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.arange(25.0).view(1, 1, 5, 5) / 25 - 0.5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, H, W)."""
        assert not images.shape[-1] % self.lattice_px
        return nn.functional.conv2d(images[:, :1], self.weights, padding=2)


@given(st.integers(3, 70), st.integers(3, 70), st.integers(1, 12))
def test_a_map_is_that_of_the_whole_image(height, width, inner_px):
    """However it is cut, each px sees its neighbours, and the mirror image beyond the edge."""
    network, pixels = Blur(), noise(height, width)
    found = predict_map(network, pixels, inner_px=inner_px)
    wide = np.pad(pixels[..., 0] / 255, 2, mode="symmetric")
    views = np.lib.stride_tricks.sliding_window_view(wide, (5, 5))
    logits = np.einsum("hwij,ij->hw", views, network.weights.detach().numpy()[0, 0])
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), atol=1e-5)


class Dense(nn.Module):
    """Knows windows of 8 px alone; each px's logit is the window's mean red."""

    dense_px = 8

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1, 8, 8)."""
        assert images.shape[-2:] == (8, 8)
        return (images[:, :1] * self.factor).mean((2, 3), keepdim=True).expand(-1, 1, 8, 8)


def test_windows_that_are_seen_whole_overlap_by_half():
    """An image of 8 x 12 px is in two of them; the four columns in both have their mean."""
    pixels = noise(8, 12)
    red = pixels[..., 0] / 255
    first, second = (1 / (1 + np.exp(-part.mean())) for part in (red[:, :8], red[:, 4:]))
    row = [first] * 4 + [(first + second) / 2] * 4 + [second] * 4
    np.testing.assert_allclose(predict_map(Dense(), pixels), [row] * 8, atol=1e-6)
    assert predict_map(Dense(), noise(3, 21)).shape == (3, 21)


class FirstRed(nn.Module):
    """Its logit is the red of the window's first px."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 1)."""
        return images[:, :1, 0, 0] * self.factor


def test_attributes_are_the_mean_of_25_crops():
    """By hand: of the probabilities, with crops 4 px apart about the middle."""
    pixels = noise(60, 50)
    found = predict_attributes(FirstRed(), pixels, side_px=20, shift_px=8)
    corners = pixels[12:29:4, 7:24:4, 0] / 255
    assert corners.shape == (5, 5)
    np.testing.assert_allclose(found, [(1 / (1 + np.exp(-corners))).mean()], atol=1e-6)


@given(st.integers(20, 90), st.integers(0, 40))
def test_crops_stay_on_the_image(size_px, shift_px):
    """As far from the middle as is asked, or as there is room."""
    starts = crop_starts(size_px, side_px=20, shift_px=shift_px)
    assert 0 <= starts[0] <= starts[-1] <= size_px - 20
    reach = min(shift_px, (size_px - 20) // 2)
    assert starts[-1] - starts[0] == 2 * reach
    assert len(starts) == (5 if reach else 1)


def test_what_is_no_number_is_refused():
    """Neither a nucleus nor none; the line says what to look at."""
    network = FirstRed()
    with torch.no_grad():
        network.factor.fill_(torch.nan)
    with pytest.raises(InputError, match="not a number: its training went wrong"):
        predict_attributes(network, noise(20, 20), side_px=20, shift_px=0)


def test_a_full_gpu_is_one_line(monkeypatch):
    """It says how large the images were, and what to do."""

    def run_out(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Blur, "forward", run_out)
    with pytest.raises(InputError, match="1 images of 48 x 48 px do not fit into the memory"):
        predict_map(Blur(), noise(40, 40))
