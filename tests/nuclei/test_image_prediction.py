"""What networks say of labelled images: maps as of the whole image, means of crops, the file."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from helpers.pictures import noise
from microtome.networks.registry import build_model, save_weights
from microtome.nuclei.image_prediction import (
    crop_starts,
    predict_attributes,
    predict_images,
    predict_map,
)
from microtome.nucleus_images.prediction_file import read_predictions

SIZED = {"reduction": 4, "width": 0.02, "sparsity_percent": 8.0, "spacing_um": 0.5, "patch_px": 20}
DETECTOR = {"kind": "nucleus_detector", "network": "crosswise", "start": None, **SIZED}
CLASSIFIER = {**DETECTOR, "kind": "nucleus_classifier", "attributes": ["a", "b"]}
SEGMENTER = {**DETECTOR, "kind": "nucleus_segmenter", "reduction": 1}


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


@pytest.mark.parametrize(
    ("entry", "keys"),
    [
        (DETECTOR, {"x_um", "y_um", "confidence"}),
        (CLASSIFIER, {"probability"}),
        (SEGMENTER, {"mask"}),
    ],
)
def test_each_kind_says_its_own(tmp_path, entry, keys):
    """At the model's spacing, in the order of the rows; the same bytes each time."""
    rows = []
    for seed, name in enumerate("ba"):
        Image.fromarray(noise(40, 48, seed=seed) // 4 + 150).save(tmp_path / f"{name}.png")
        rows.append({"image": name, "path": tmp_path / f"{name}.png", "spacing_um": 0.25})
    weights = tmp_path / "m.safetensors"
    save_weights(weights, build_model(entry, seed=2), name="m", entry=entry, training={})
    about = {"min_distance_um": 3.0, "smoothing_um": 1.0, "threads": 1}
    files = [tmp_path / f"{n}.npz" for n in (1, 2)]
    for file in files:
        predict_images(file, rows, name="m", entry=entry, weights=weights, **about)
    assert files[0].read_bytes() == files[1].read_bytes()
    found = read_predictions(files[0])
    assert list(found) == ["b", "a"]
    assert found["a"].keys() == keys
    if "mask" in keys:
        assert (found["a"]["mask"].shape, found["a"]["mask"].dtype) == ((20, 24), bool)
    if "probability" in keys:
        assert found["a"]["probability"].shape == (2,)
        assert ((found["a"]["probability"] > 0) & (found["a"]["probability"] < 1)).all()
    if "x_um" in keys:
        assert len(found["a"]["x_um"]) > 0
        assert (found["a"]["x_um"] <= 12).all()
        assert (found["a"]["y_um"] <= 10).all()
