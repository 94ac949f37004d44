"""Random colours: each change against its own definition, the same for the same seed."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from skimage.color import combine_stains, hsv2rgb, rgb2hsv, rgb_from_hed, separate_stains

from microtome.training.random_colour import ColourChanges, change_colours

ALL = ColourChanges(
    blur_px=1.5, brightness=0.25, contrast=0.75, hue=0.25, saturation=0.04, stain=0.05
)


def images(n: int = 4, *, height: int = 12, width: int = 9, spacings: int = 0) -> torch.Tensor:
    """Draw images as the loader gives them, channels last in memory."""
    numbers = np.random.default_rng(n).random((max(1, spacings), n, height, width, 3))
    found = torch.from_numpy(numbers.astype(np.float32)).permute(1, 0, 4, 2, 3)
    return found if spacings else found[:, 0]


def points(tensor: torch.Tensor) -> np.ndarray:
    """Put channels last, as scikit-image wants them, in double precision."""
    return tensor.movedim(-3, -1).double().numpy()


def of(name: str, *values: float) -> dict[str, np.ndarray]:
    """Make one change, by a number for each image."""
    return {name: np.array(values, np.float32)}


def greys_and_ties() -> torch.Tensor:
    """Give every RGB of the steps 0, 1/4 ... 1 four times: sectors, borders, greys, black."""
    levels = torch.linspace(0, 1, 5)
    return torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 25, 5).repeat(4, 1, 1, 1)


def test_brightness_is_added():
    """Each image has its own number added; what leaves [0, 1] is cut off."""
    rgb = images(3)
    found = change_colours(rgb, of("brightness", 0.1, -0.3, 0.0))
    assert torch.equal(found[2], rgb[2])
    torch.testing.assert_close(found[0], (rgb[0] + 0.1).clamp(max=1))
    torch.testing.assert_close(found[1], (rgb[1] - 0.3).clamp(min=0))


def test_contrast_is_about_the_mean_of_each_channel():
    """Two px of 0.2 and 0.4, factor 1.5: 0.15 and 0.45; the green channel has its own mean."""
    rgb = torch.zeros(1, 3, 1, 2)
    rgb[0, 0, 0] = torch.tensor([0.2, 0.4])
    rgb[0, 1, 0] = torch.tensor([0.6, 0.8])
    found = change_colours(rgb, of("contrast", 1.5))
    expected = [[0.15, 0.45], [0.55, 0.85], [0.0, 0.0]]
    torch.testing.assert_close(found[0, :, 0], torch.tensor(expected))


@pytest.mark.parametrize("rgb", [images(), greys_and_ties()], ids=["random", "ties"])
def test_hue_and_saturation_are_changed_in_hsv(rgb):
    """Hue turns and saturation is multiplied, up to 1: as through scikit-image's HSV."""
    turns, factors = (0.25, -0.1, 0.5, 0.0), (1.0, 0.5, 1.8, 1.0)
    found = change_colours(rgb, {**of("hue", *turns), **of("saturation", *factors)})
    hsv = rgb2hsv(points(rgb))
    hsv[..., 0] = (hsv[..., 0] + np.reshape(turns, (4, 1, 1))) % 1
    hsv[..., 1] = np.minimum(hsv[..., 1] * np.reshape(factors, (4, 1, 1)), 1)
    np.testing.assert_allclose(points(found), hsv2rgb(hsv), atol=1e-5)
    torch.testing.assert_close(found[3], rgb[3], atol=1e-6, rtol=0)


def test_blur_is_gaussian():
    """SciPy's Gaussian, of what lies in the image alone; sigma 0 leaves every bit."""
    rgb = images(3)
    found = change_colours(rgb, of("sigma_px", 0.8, 0.0, 2.5))
    assert torch.equal(found[1], rgb[1])
    for i, sigma in ((0, 0.8), (2, 2.5)):
        expected = points(rgb[i])
        for axis in (0, 1):
            options = {"sigma": sigma, "axis": axis, "mode": "constant", "radius": 20}
            inside = gaussian_filter1d(np.ones_like(expected), **options)
            expected = gaussian_filter1d(expected, **options) / inside
        np.testing.assert_allclose(points(found[i]), expected, atol=1e-5)


def test_stains_are_those_of_scikit_image():
    """Decadic density of each stain times its factor, and more: composed anew by scikit-image."""
    generator = np.random.default_rng(0)
    stains = generator.uniform(0.05, 0.3, (2, 6, 5, 3))  # optical density, decadic
    # scikit-image counts densities in logarithms of a millionth.
    rgb = combine_stains(stains / 6, rgb_from_hed)
    np.testing.assert_allclose(separate_stains(rgb, np.linalg.inv(rgb_from_hed)) * 6, stains)
    colours = ColourChanges(stain=0.2)
    drawn = colours.draw(2, seed=1, epoch=1, batch=0)
    found = change_colours(torch.from_numpy(rgb).permute(0, 3, 1, 2).float(), drawn)
    # What was drawn, from where it ended: its effect on each pure stain.
    effect = rgb_from_hed @ drawn["density_matrix"] @ np.linalg.inv(rgb_from_hed)
    factors = np.diagonal(effect, axis1=1, axis2=2)
    np.testing.assert_allclose(effect, factors[:, None] * np.eye(3), atol=1e-5)
    offsets = drawn["density_offset"] @ np.linalg.inv(rgb_from_hed)
    assert (np.abs(factors - 1) <= 0.2).all()
    assert (np.abs(offsets) <= 0.2).all()
    assert np.ptp(factors) > 0.05
    assert np.ptp(offsets) > 0.05
    jittered = stains * factors[:, None, None] + offsets[:, None, None]
    expected = combine_stains(jittered / 6, rgb_from_hed)
    np.testing.assert_allclose(points(found), expected, atol=1e-5)


def test_black_and_white_are_stained_too():
    """No pixel becomes infinite, and none leaves [0, 1]."""
    rgb = torch.zeros(2, 3, 4, 4)
    rgb[1] = 1
    found = change_colours(rgb, ColourChanges(stain=1.0).draw(2, seed=1, epoch=1, batch=0))
    assert torch.isfinite(found).all()
    assert 0 <= found.min() <= found.max() <= 1


def test_the_order_of_the_changes():
    """Blur, stain, brightness, contrast, then hue and saturation of what was cut to [0, 1]."""
    rgb = 0.1 + 0.6 * images(5)
    drawn = ALL.draw(5, seed=2, epoch=1, batch=0)
    # Within these bounds only the last two steps see anything cut off.
    step = rgb
    for names in (["sigma_px"], ["density_matrix", "density_offset"]):
        step = change_colours(step, {name: drawn[name] for name in names})
    bright = step + torch.from_numpy(drawn["brightness"]).view(-1, 1, 1, 1)
    mean = bright.mean((2, 3), keepdim=True)
    contrasted = (bright - mean) * torch.from_numpy(drawn["contrast"]).view(-1, 1, 1, 1) + mean
    assert contrasted.min() < 0
    assert contrasted.max() > 1
    expected = change_colours(
        contrasted.clamp(0, 1), {name: drawn[name] for name in ("hue", "saturation")}
    )
    torch.testing.assert_close(change_colours(rgb, drawn), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("spacings", [0, 2])
def test_shape_and_order_in_memory_stay(spacings):
    """Channels last as before, a new tensor, in [0, 1]; images of a patch are changed alike."""
    rgb = images(6, spacings=spacings)
    before = rgb.clone()
    drawn = ALL.draw(6, seed=0, epoch=0, batch=0)
    found = change_colours(rgb, drawn)
    assert (found.shape, found.stride()) == (rgb.shape, rgb.stride())
    assert torch.equal(rgb, before)
    assert 0 <= found.min() <= found.max() <= 1
    for spacing in range(spacings):
        assert found[:, spacing].is_contiguous(memory_format=torch.channels_last)
        alone = change_colours(rgb[:, spacing], drawn)
        torch.testing.assert_close(found[:, spacing], alone, atol=1e-6, rtol=0)


KNOWN = {"seed": 1, "epoch": 2, "batch": 3}


def test_changes_follow_from_seed_epoch_and_batch():
    """The same three give the same numbers, another of them others."""
    drawn, again = ALL.draw(8, **KNOWN), ALL.draw(8, **KNOWN)
    assert all(np.array_equal(drawn[name], again[name]) for name in drawn)
    for name in KNOWN:
        other = ALL.draw(8, **{**KNOWN, name: 7})
        assert not any(np.array_equal(drawn[key], other[key]) for key in drawn)


@pytest.mark.parametrize("of_processes", [2, 3])
def test_shares_are_the_whole(of_processes):
    """Processes draw for the whole batch and take theirs, as they take theirs of the patches."""
    whole = ALL.draw(7, **KNOWN)
    for number in range(of_processes):
        share = ALL.draw(7, share=(number, of_processes), **KNOWN)
        assert share.keys() == whole.keys()
        for name, values in share.items():
            assert values.dtype == np.float32
            assert np.array_equal(values, whole[name][number::of_processes])


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("blur_px", {"sigma_px": None}),
        ("brightness", {"brightness": None}),
        ("contrast", {"contrast": None}),
        ("stain", {"density_matrix": None, "density_offset": None}),
        ("hue", {"hue": None, "saturation": 1}),  # always together
        ("saturation", {"hue": 0, "saturation": None}),
    ],
)
def test_one_change_does_not_depend_on_others(setting, names):
    """With the others off each change is drawn as with them on, and nothing else is."""
    whole = ALL.draw(8, **KNOWN)
    alone = ColourChanges(**{setting: getattr(ALL, setting)}).draw(8, **KNOWN)
    assert alone.keys() == names.keys()
    for name, still in names.items():
        expected = whole[name] if still is None else np.full(8, still)
        np.testing.assert_array_equal(alone[name], expected)


def test_changes_are_the_same_everywhere():
    """Their numbers are their own, not those that order, turns or moves are drawn from."""
    drawn = ColourChanges(brightness=0.25, hue=0.25).draw(2, **KNOWN)
    np.testing.assert_allclose(drawn["brightness"], [-0.04730776, 0.1868235], rtol=1e-6)
    np.testing.assert_allclose(drawn["hue"], [0.2252746, -0.2193273], rtol=1e-6)


def test_bounds_of_what_is_drawn():
    """Uniform up to the largest delta on both sides; half of the patches are blurred."""
    drawn = ALL.draw(20000, seed=0, epoch=0, batch=0)
    for name, middle, delta in (
        ("brightness", 0, 0.25),
        ("contrast", 1, 0.75),
        ("hue", 0, 0.25),
        ("saturation", 1, 0.04),
    ):
        values = drawn[name].astype(float)
        assert values.min() == pytest.approx(middle - delta, abs=0.01 * delta)
        assert values.max() == pytest.approx(middle + delta, abs=0.01 * delta)
        assert values.std() == pytest.approx(delta / 3**0.5, rel=0.02)
    pairs = np.corrcoef([drawn[n] for n in ("brightness", "contrast", "hue", "saturation")])
    assert np.abs(pairs - np.eye(4)).max() < 0.05
    sigma = drawn["sigma_px"]
    assert (sigma > 0).mean() == pytest.approx(0.5, abs=0.02)
    assert sigma.max() == pytest.approx(1.5, abs=0.01)
    assert sigma[sigma > 0].mean() == pytest.approx(0.75, abs=0.02)
