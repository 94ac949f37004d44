"""Scoring: every patch once, whatever the batches, the output and the gaps."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from helpers.pictures import break_tile, grid_of, noise, write_slide
from microtome.errors import InputError
from microtome.inference import scoring as inference
from microtome.inference.scoring import score
from microtome.patches import progress
from microtome.slides.slide import Slide

PIXELS = noise(160, 224)
real = inference.read_patches
PLACES = [(r, c) for r in range(5) for c in range(7) if (r + 2 * c) % 6]


class Brightness(nn.Module):
    """Logits from the mean grey of a patch, or of parts of it, `side` a side; counts patches."""

    def __init__(self, side: int | None = None, *, fits: int = 2000) -> None:
        super().__init__()
        self.side, self.fits = side, fits
        self.batches: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2) or (B, 2, side, side)."""
        assert not torch.is_grad_enabled()
        assert not self.training
        if len(images) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(images))
        grey = images.mean(1, keepdim=True)
        grey = nn.functional.adaptive_avg_pool2d(grey, self.side or 1)
        logits = torch.cat([torch.zeros_like(grey), 4 * grey], dim=1).double()
        return logits if self.side else logits.flatten(1)


class Outer(Brightness):
    """The same of a patch's own spacing, beside one further."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2) of images (B, 2, 3, 32, 32)."""
        assert images.shape[1:] == (2, 3, 32, 32)
        return super().forward(images[:, 0])


def expected(side: int) -> np.ndarray:
    """Compute the probabilities of all patches from the slide's pixels."""
    maps = []
    for row, column in PLACES:
        patch = PIXELS[row * 32 : row * 32 + 32, column * 32 : column * 32 + 32] / 255
        blocks = patch.reshape(side, 32 // side, side, 32 // side, 3).mean((1, 3, 4))
        maps.append(1 / (1 + np.exp(-4 * blocks)))
    return np.array(maps)


@pytest.fixture
def path(tmp_path):
    """Write a slide of 7 x 5 patches of 32 px."""
    return write_slide(tmp_path / "a.svs", PIXELS)


def score_all(path, model: nn.Module, **settings) -> tuple[np.ndarray, np.ndarray]:
    """Score the grid; give the patches' indices and their maps."""
    grid = grid_of(PLACES, patch_px=32)
    with Slide(path, name="a") as slide:
        settings = {"batch": 4, "map_um": 0.5, **settings}
        parts = list(score({"m": model}, slide, grid, **settings))
    index, maps = zip(*parts, strict=True)
    return np.concatenate(index), np.concatenate([each["probability"] for each in maps])


@pytest.mark.parametrize("batch", [1, 2, 4, 7, len(PLACES), len(PLACES) - 1, 1000])
@pytest.mark.parametrize("side", [None, 4])
def test_every_patch_once(path, batch, side):
    """Any batch size scores each patch exactly once with its own probability, the last too."""
    model = Brightness(side)
    index, probability = score_all(path, model, batch=batch)
    np.testing.assert_array_equal(np.sort(index), np.arange(len(PLACES)))
    np.testing.assert_allclose(probability, expected(side or 1)[index], atol=1e-5)
    assert probability.dtype == np.float32
    assert sum(model.batches) == len(PLACES)
    full, rest = divmod(len(PLACES), batch)
    assert model.batches == [batch] * full + ([rest] if rest else [])


@pytest.mark.parametrize("spacings_um", [(), (1.0,)])
def test_the_white_of_every_patch_is_noted(path, spacings_um):
    """The share of px with R, G and B from 128 on, in the own spacing's patch alone."""
    grid = grid_of(PLACES, patch_px=32)
    model = Outer() if spacings_um else Brightness()
    with Slide(path, name="a") as slide:
        settings = {"batch": 4, "map_um": 0.5, "spacings_um": spacings_um, "white_from": 128}
        parts = list(score({"m": model}, slide, grid, **settings))
    expected_ = [
        (PIXELS[r * 32 : r * 32 + 32, c * 32 : c * 32 + 32] >= 128).all(-1).mean()
        for r, c in np.array(PLACES)[np.concatenate([index for index, _ in parts])]
    ]
    found = np.concatenate([maps["white"] for _, maps in parts])
    np.testing.assert_array_equal(found[:, 0, 0], np.float32(expected_))
    assert found.std() > 0


def test_scores_do_not_depend_on_the_batch(path):
    """Batch norm and dropout are those of prediction, so neighbours in a batch do not matter."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=4),
        nn.BatchNorm2d(4),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    ).train()
    _, alone = score_all(path, model, batch=1)
    _, together = score_all(path, model.train(), batch=10)
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_scores_of_unreadable_patches_are_left_out(path):
    """A broken tile costs its patches; the rest is scored."""
    break_tile(path, row=0, column=1)  # rows 0-1, columns 2-3 of the grid
    index, probability = score_all(path, Brightness())
    kept = [i for i, (r, c) in enumerate(PLACES) if r > 1 or c not in (2, 3)]
    np.testing.assert_array_equal(np.sort(index), kept)
    np.testing.assert_allclose(probability, expected(1)[index], atol=1e-5)


@pytest.mark.parametrize("side", [None, 2])
def test_a_model_that_gives_no_number_is_told_with_the_place(path, side):
    """NaN for one patch, in one px of its map, is an error that names slide and position."""

    class Broken(Brightness):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = super().forward(images)
            before = sum(self.batches) - len(images)
            if before <= 9 < before + len(images):
                logits[9 - before].view(2, -1)[1, -1] = torch.nan
            return logits

    row, column = PLACES[9]
    text = f"slide a: the model gives no number for the patch at x={32 * column}, y={32 * row}"
    with pytest.raises(InputError, match=f"^{re.escape(text)}$"):
        score_all(path, Broken(side))


def test_progress_is_told(path, caplog, monkeypatch):
    """Now and then how many are done, and at the end how many could not be read."""
    monkeypatch.setattr(progress, "_EVERY", 10)
    caplog.set_level("INFO")
    score_all(path, Brightness())
    said = [record.getMessage() for record in caplog.records]
    n = len(PLACES)
    assert said == [
        *(f"{i} of {n} patches scored" for i in (12, 20)),
        f"{n} patches scored, 0 unreadable",
    ]


def test_an_empty_grid_has_no_scores(path):
    """No patches, no batches."""
    with Slide(path, name="a") as slide:
        empty = grid_of([], patch_px=32)
        assert not list(score({"m": Brightness()}, slide, empty, batch=4, map_um=0.5))


def test_maps_are_kept_at_the_heatmaps_spacing(path):
    """A network that gives every px is kept as means over the px of the heatmap."""
    index, found = score_all(path, Brightness(32), map_um=4.0)
    assert found.shape == (len(PLACES), 4, 4)
    means = expected(32)[index].reshape(-1, 4, 8, 4, 8).mean((2, 4))
    np.testing.assert_allclose(found, means, atol=1e-5)


def test_co_centred_patches_reach_the_model(path):
    """A model of further spacings gets all of a patch's images, its own spacing first."""
    index, probability = score_all(path, Outer(), spacings_um=(1.0,))
    np.testing.assert_allclose(probability, expected(1)[index], atol=1e-5)
    assert len(index) == len(PLACES)


@pytest.mark.parametrize("fits", [1, 2, 3, 5])
def test_a_batch_that_does_not_fit_is_halved(path, caplog, fits):
    """Out of GPU memory: the same scores from fewer patches at a time, said once a halving."""
    index, probability = score_all(path, Brightness(fits=fits), batch=8)
    np.testing.assert_allclose(probability, expected(1)[index], atol=1e-5)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == {1: 3, 2: 2, 3: 2, 5: 1}[fits]
    assert said[0].startswith("8 patches do not fit into the memory of the GPU: going on with 4;")


def test_not_even_one_patch_fits(path):
    """Out of GPU memory with a single patch: an error that says what to lower."""
    with pytest.raises(InputError, match=r"^a single patch does not fit into the memory of the "):
        score_all(path, Brightness(fits=0))


class Corner(nn.Module):
    """A map that changes when the patch is turned: by grey, and more to the upper left."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, 2, side, side)."""
        grey = images.mean(1, keepdim=True)
        ramp = torch.linspace(1, 0, grey.shape[-1])
        logits = 2 * grey + self.strength * (ramp[:, None] + ramp)
        return torch.cat([torch.zeros_like(logits), logits], dim=1)


@pytest.mark.parametrize("batch", [3, None])
def test_members_and_views_in_one_pass(path, monkeypatch, batch):
    """Every member's mean over views, and both variances, are those of each view by itself."""
    read = []
    monkeypatch.setattr(inference, "read_patches", lambda *a, **k: read.append(1) or real(*a, **k))
    grid = grid_of(PLACES, patch_px=32)
    members = {"a": Corner(1.0), "b": Corner(3.0)}
    with Slide(path, name="a") as slide:
        settings = {"map_um": 0.5, "augmentations": ("rotate_90", "flip_vertical")}
        parts = list(score(members, slide, grid, batch=batch, **settings))
        assert read == [1]  # the slide is gone through once
        plain = list(score(members, slide, grid, batch=batch, epistemic="plain", **settings))
    patches = np.array([PIXELS[32 * r : 32 * r + 32, 32 * c : 32 * c + 32] for r, c in PLACES])
    of_members, variances, as_they_are = [], [], []
    for strength in (1.0, 3.0):
        ramp = np.linspace(1, 0, 32)
        place = strength * (ramp[:, None] + ramp)
        grey = patches.mean(-1) / 255
        # The patch as it is; turned against the clock, its map turned back; upside down likewise.
        views = [place, np.rot90(place, -1), place[::-1]]
        views = np.array([1 / (1 + np.exp(-(2 * grey + view))) for view in views])
        as_they_are.append(views[0])
        of_members.append(views.mean(0))
        variances.append(views.var(0))
    wanted = {"probability": np.mean(of_members, 0), "aleatoric": np.mean(variances, 0)}
    wanted["epistemic"] = np.var(of_members, 0)
    for i, name in enumerate(members):
        wanted |= {f"{name}.probability": of_members[i], f"{name}.aleatoric": variances[i]}
    index = np.concatenate([i for i, _ in parts])
    for name, expected_ in wanted.items():
        found = np.concatenate([maps[name] for _, maps in parts])
        np.testing.assert_allclose(found, expected_[index], atol=1e-5, err_msg=name)
    assert set(parts[0][1]) == set(wanted)
    found = np.concatenate([maps["epistemic"] for _, maps in plain])
    index = np.concatenate([i for i, _ in plain])
    np.testing.assert_allclose(found, np.var(as_they_are, 0)[index], atol=1e-5)
