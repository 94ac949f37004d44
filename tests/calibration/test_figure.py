"""The picture of reliability."""

import numpy as np
import pytest
from PIL import Image

from microtome.calibration.figure import reliability_figure


def counts_of(n_px: int, *, seed: int = 0) -> np.ndarray:
    """Draw counts of a calibrated model."""
    rng = np.random.default_rng(seed)
    n = rng.multinomial(n_px, np.full(255, 1 / 255))
    tumour = rng.binomial(n, np.arange(255) / 254)
    return np.stack([n - tumour, tumour], axis=1)


def drawn(path, counts: dict[str, np.ndarray]) -> np.ndarray:
    """Draw, and give the picture as int of shape (height, width, 3)."""
    reliability_figure(path, counts)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def pink_columns(picture: np.ndarray) -> np.ndarray:
    """Tell which columns hold the colour of the line."""
    red, green, blue = np.moveaxis(picture, 2, 0)
    return np.any((red > green + 80) & (blue > green + 20), axis=0)


@pytest.mark.parametrize(("n_models", "letters"), [(1, 1), (6, 1), (8, 1), (2, 40)])
def test_figure_grows_with_the_models(tmp_path, n_models, letters):
    """A column a model up to six, then a second row; long names make every column wider."""
    models = [f"{i}".zfill(letters) for i in range(n_models)]
    picture = drawn(tmp_path / "a.png", {model: counts_of(10**4) for model in models})
    columns, rows = min(n_models, 6), -(-n_models // 6)
    width = max(2.3, 0.09 * letters)
    assert picture.shape[1] == pytest.approx(110 * (width * columns + 0.6), abs=2)
    assert picture.shape[0] == pytest.approx(110 * (4 / 3 * width + 0.9) * rows, abs=2)


def test_the_same_counts_give_the_same_figure(tmp_path):
    """Two drawings have the same bytes; other counts have others."""
    for name, n in (("a", 10**4), ("b", 10**4), ("c", 2 * 10**4)):
        reliability_figure(tmp_path / f"{name}.png", {"m": counts_of(n)})
    first, second, third = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == second
    assert first != third


def test_few_px_have_no_dot(tmp_path):
    """The line ends where bins of 100 px or more do."""
    counts = np.zeros((255, 2), np.int64)
    counts[8::17] = 50  # the middle of every bin
    whole = pink_columns(drawn(tmp_path / "a.png", {"m": counts}))
    counts[127:] = 49
    counts[127:, 1] = 0
    counts[128:] = 0
    counts[144::17] = [49, 50]
    half = pink_columns(drawn(tmp_path / "b.png", {"m": counts}))
    assert 0.4 < half.sum() / whole.sum() < 0.6


@pytest.mark.filterwarnings("error::UserWarning", "error::RuntimeWarning")
def test_a_model_without_px_leaves_its_place_empty(tmp_path):
    """Nothing scored, in one model or in all: axes, no line, and no warning."""
    nothing = np.zeros((255, 2), np.int64)
    picture = drawn(
        tmp_path / "a.png", {**{f"m{i}": counts_of(10**5) for i in range(5)}, "b": nothing}
    )
    first_empty = picture.shape[1] * 5 // 6
    assert pink_columns(picture)[:first_empty].mean() > 0.5
    assert not pink_columns(picture)[first_empty:].any()
    assert not pink_columns(drawn(tmp_path / "b.png", {"b": nothing})).any()
