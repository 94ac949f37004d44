"""Lesions found in a heatmap, against searches px by px."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from microtome.challenges.camelyon16_lesions import LESION, find_lesions

# Few codes, so that there are plateaus, and some px without a score.
HEATMAPS = array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
    lambda s: arrays(np.uint8, s, elements=st.sampled_from([0, 1, 127, 128, 200, 255]))
)


def found_in(heatmap: list | np.ndarray, **options: float) -> list[tuple]:
    """(code, row, column) of what is found; a px of the heatmap is one of level 0."""
    chosen = {"scale_px": 1.0, "threshold": 0.0, "min_distance_um": 0.0, "spacing_um": 1.0}
    lesions = find_lesions(np.array(heatmap, np.uint8), **(chosen | options))
    assert lesions.dtype == LESION
    codes = np.rint(lesions["confidence"] * 254).astype(int) + 1
    return list(
        zip(codes.tolist(), lesions["y_px"].tolist(), lesions["x_px"].tolist(), strict=True)
    )


def around(place: tuple[int, int]) -> list[tuple[int, int]]:
    """The eight px around one."""
    steps = itertools.product((-1, 0, 1), repeat=2)
    return [(place[0] + dy, place[1] + dx) for dy, dx in steps if (dy, dx) != (0, 0)]


def by_flooding(heatmap: np.ndarray, least: int, min_px: float) -> list[tuple]:
    """The same px by px: flood each plateau, look around it, then drop what is too near."""
    value = dict(np.ndenumerate(heatmap.astype(int)))
    seen, peaks = set(), []
    for start, code in value.items():
        if start in seen or code < max(least, 1):
            continue
        plateau, border = [start], []
        seen.add(start)
        for place in plateau:
            for beside in around(place):
                if value.get(beside) == code and beside not in seen:
                    seen.add(beside)
                    plateau.append(beside)
                elif value.get(beside, 0) != code:
                    border.append(value.get(beside, 0))
        if max(border, default=0) < code:
            n, total = len(plateau), np.sum(plateau, axis=0)
            # In whole numbers: n times the distance from the centroid.
            far = {p: int(((n * np.array(p) - total) ** 2).sum()) for p in plateau}
            peaks.append((code, *min(plateau, key=lambda p, far=far: (far[p], p))))
    kept: list[tuple] = []
    for code, y, x in sorted(peaks, key=lambda p: (-p[0], p[1], p[2])):
        if all((y - b) ** 2 + (x - c) ** 2 >= min_px**2 for _, b, c in kept):
            kept.append((code, y, x))
    return kept


@settings(max_examples=200)
@example(np.array([[1, 1, 0, 1, 1], [0, 0, 1, 1, 1]]), 0, 0)  # a centroid that is no round number
@example(np.array([[1, 230, 1, 229]]), 229, 0)  # just the threshold
@example(np.array([[99, 1, 99]]), 0, 30)  # of equally high peaks the left one stays
@given(HEATMAPS, st.sampled_from([0, 1, 128, 129, 255]), st.sampled_from([0, 1, 2, 3, 5, 30]))
def test_against_flooding(heatmap, least, min_px):
    """What is found is what a search px by px finds, in the same order."""
    options = {"threshold": (least - 1) / 254, "min_distance_um": min_px * 0.3, "spacing_um": 0.3}
    assert found_in(heatmap, **options) == by_flooding(heatmap, least, min_px)


@settings(max_examples=20)
@given(arrays(np.uint8, (24, 31)), st.floats(0, 12))
def test_noise_against_flooding(heatmap, min_px):
    """The same of noise, in which peaks are many and plateaus few."""
    assert found_in(heatmap, min_distance_um=min_px) == by_flooding(heatmap, 1, min_px)


def test_one_lesion():
    """A lesion lies at level 0 in the middle of its px, x across and y down."""
    heatmap = np.ones((5, 7), np.uint8)
    heatmap[1, 4] = 204
    settings_um = {"threshold": 0.5, "min_distance_um": 75.0, "spacing_um": 8.0}
    (lesion,) = find_lesions(heatmap, scale_px=32, **settings_um)
    assert (lesion["x_px"], lesion["y_px"]) == (144, 48)
    assert lesion["confidence"] == pytest.approx(203 / 254)
    (lesion,) = find_lesions(heatmap, scale_px=2.5, **settings_um)
    assert (lesion["x_px"], lesion["y_px"]) == (11, 3)  # the px that holds 11.25 and 3.75


HIGH_AROUND_LOW = [[200, 200, 200], [200, 100, 200], [200, 200, 200]]


@pytest.mark.parametrize(
    ("heatmap", "options", "found"),
    [
        (np.full((4, 4), 127), {"threshold": 0.5}, []),
        # A heatmap of one value is one peak in its middle; what has no score is none.
        (np.full((5, 7), 9), {}, [(9, 2, 3)]),
        (np.zeros((4, 4)), {}, []),
        # A plateau is one lesion, at its px nearest to the centroid; the upper, then the left one.
        ([[1, 50, 50, 50, 50, 1]], {}, [(50, 0, 2)]),
        (HIGH_AROUND_LOW, {}, [(200, 0, 1)]),
        # A plateau with anything higher beside it is no peak, however far along it.
        ([[1, 60, 60, 60, 60, 61, 1, 40]], {}, [(61, 0, 5), (40, 0, 7)]),
        # What was dropped drops nothing: of three in a row the ends stay.
        ([[200, 1, 1, 190, 1, 1, 180]], {"min_distance_um": 4}, [(200, 0, 0), (180, 0, 6)]),
    ],
)
def test_by_hand(heatmap, options, found):
    """Peaks, plateaus and ties as the docstring has them."""
    assert found_in(heatmap, **options) == found


@pytest.mark.parametrize("spacing_um", [0.1, 0.243, 8.0])
def test_just_the_distance(spacing_um):
    """Lesions of just the least distance, in µm, both stay, whatever its rounding."""
    row = [[200, 1, 1, 190]]
    options = {"spacing_um": spacing_um, "scale_px": 40}
    found = found_in(row, min_distance_um=3 * spacing_um, **options)
    assert [lesion[0] for lesion in found] == [200, 190]
    assert len(found_in(row, min_distance_um=3.003 * spacing_um, **options)) == 1


def test_many_peaks():
    """A hundred thousand peaks need no table of all pairs, and none is left near another."""
    heatmap = np.ones((640, 640), np.uint8)
    heatmap[::2, ::2] = np.random.default_rng(0).integers(100, 256, (320, 320))
    found = np.array(found_in(heatmap, min_distance_um=200))
    places = found[:, 1:]
    apart = np.hypot(*(places[:, None] - places).transpose(2, 0, 1)) + 999 * np.eye(len(found))
    assert 6 <= len(found) <= 25
    assert apart.min() >= 200
