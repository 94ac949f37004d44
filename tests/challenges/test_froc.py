"""The FROC of CAMELYON16, by hand and against a plain statement of the organizers' evaluation."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import disk

from microtome.challenges import froc as module
from microtome.challenges.froc import (
    RATES,
    SlideHits,
    compute_froc,
    match_detections,
    number_lesions,
)
from microtome.errors import InputError


def mask_of(*rectangles: tuple[int, int, int, int], shape: tuple[int, int] = (100, 200)):
    """Draw rectangles of top, left, height and width."""
    mask = np.zeros(shape, bool)
    for top, left, height, width in rectangles:
        mask[top : top + height, left : left + width] = True
    return mask


def hits(*best: float, false: tuple[float, ...] = ()) -> SlideHits:
    """Make the hits of a slide without ITCs."""
    return SlideHits(np.array(best, float), np.zeros(len(best), bool), np.array(false, float))


def test_lesions_are_numbered_and_grow_by_half_of_75_um():
    """At 7.776 µm/px the reach is 4.82 px: a px 4 px off belongs to it, 5 px off does not."""
    labels, is_itc = number_lesions(mask_of((20, 20, 1, 1), (60, 150, 30, 40)), spacing_um=7.776)
    assert labels.dtype == np.int32
    assert [labels[20, 20 + off] for off in (0, 4, 5)] == [1, 1, 0]
    assert [labels[20 + off, 20] for off in (-4, -5)] == [1, 0]
    assert labels[75, 170] == 2
    assert labels.max() == 2
    assert is_itc.tolist() == [True, False]


def by_organizers(mask: np.ndarray, spacing_um: float) -> tuple[np.ndarray, list[bool]]:
    """The evaluation mask of the whole array, as the text says it."""
    if not mask.any():
        return np.zeros(mask.shape, int), []
    distance = ndimage.distance_transform_edt(255 - np.where(mask, 255, 0))
    lesions = label(ndimage.binary_fill_holes(distance < 75 / (spacing_um * 2)), connectivity=2)
    axes = [region.axis_major_length for region in regionprops(lesions)]
    return lesions, [axis < 275 / spacing_um for axis in axes]


# Of discs of a radius r the major axis is about 2 r and the reach: 275 µm are 35.4 px.
@example(np.pad(disk(12), 9).astype(bool), 7.776)
@example(np.pad(disk(14), 9).astype(bool), 7.776)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
        lambda s: arrays(bool, s, elements=st.integers(0, 60).map(lambda i: i == 0))
    ),
    st.sampled_from([7.776, 20.0, 40.0, 100.0]),
)
def test_lesions_equal_those_of_the_whole_array(mask, spacing_um):
    """Holes are filled, ITCs told; looking only around the tumour changes nothing."""
    labels, is_itc = number_lesions(mask, spacing_um=spacing_um)
    expected, expected_itc = by_organizers(mask, spacing_um)
    np.testing.assert_array_equal(labels, expected)
    assert is_itc.tolist() == expected_itc


def test_too_large_a_mask(monkeypatch):
    """One beyond memory is refused."""
    monkeypatch.setattr(module, "_MAX_MASK_PX", 34)
    with pytest.raises(InputError, match="a mask of 7 x 5 px is too large"):
        number_lesions(np.zeros((5, 7), bool), spacing_um=7.776)


def test_a_curve_by_hand():
    """Two slides, two lesions, one missed; the lowest confidence, 0 of the miss, is no threshold.

    At 0.9: 1 hit, no false one. At 0.5: 1 false in 2 slides. At 0.2: 3 false in 2 slides.
    """
    found = compute_froc([hits(0.9, 0.0, false=(0.5, 0.2)), hits(false=(0.2,))])
    assert found.false_positives.tolist() == [1.5, 0.5, 0, 0]
    assert found.sensitivity.tolist() == [0.5, 0.5, 0.5, 0]
    assert found.at_rates == (0.5,) * 6
    assert found.score == 0.5


CONFIDENCES = st.sampled_from([i / 10 for i in range(11)])
POINTS = st.lists(st.tuples(CONFIDENCES, st.integers(-2, 14), st.integers(-2, 14)), max_size=8)
SLIDES = st.lists(
    st.tuples(POINTS, arrays(np.int64, (6, 6), elements=st.integers(0, 3)), arrays(bool, 3)),
    min_size=1,
    max_size=4,
)


def plain_froc(slides: list) -> tuple[list[float], list[float] | None]:
    """One loop after the other: false positives per slide and sensitivity at each threshold."""
    false, true, n_lesions = [], [], 0
    for points, labels, is_itc in slides:
        best = dict.fromkeys((1, 2, 3), 0.0)
        for confidence, x, y in points:
            inside = 0 <= x < 12 and 0 <= y < 12
            lesion = labels[y // 2][x // 2] if inside else 0
            if lesion == 0:
                false.append(confidence)
            elif not is_itc[lesion - 1] and confidence > best[lesion]:
                best[lesion] = confidence
        true += best.values()
        n_lesions += sum(not itc for itc in is_itc)
    rates, sensitivity = [], []
    for threshold in sorted(set(false + true))[1:]:
        rates.append(sum(f >= threshold for f in false) / len(slides))
        sensitivity.append(sum(t >= threshold for t in true) / max(n_lesions, 1))
    return [*rates, 0.0], [*sensitivity, 0.0] if n_lesions else None


def read_off(rates: list[float], sensitivity: list[float], rate: float) -> float:
    """The curve at a rate: its highest point there, a straight line, or its end."""
    points = sorted(zip(rates, sensitivity, strict=True))
    before = max(point for point in points if point[0] <= rate)
    after = [point for point in points if point[0] > rate]
    if before[0] == rate or not after:
        return before[1]
    (x0, y0), (x1, y1) = before, min(after)
    return y0 + (y1 - y0) * (rate - x0) / (x1 - x0)


@given(SLIDES)
def test_against_plain_loops(slides):
    """Whatever is drawn, curve, sensitivities and score are those of the loops."""
    found = compute_froc(
        [match_detections(points, labels, is_itc, scale_px=2) for points, labels, is_itc in slides]
    )
    rates, sensitivity = plain_froc(slides)
    assert found.false_positives.tolist() == pytest.approx(rates)
    if sensitivity is None:
        assert (found.score, found.at_rates, found.sensitivity) == (None, None, None)
        return
    assert found.sensitivity.tolist() == pytest.approx(sensitivity)
    expected = [read_off(rates, sensitivity, rate) for rate in RATES]
    assert found.at_rates == pytest.approx(expected)
    assert found.score == pytest.approx(np.mean(expected))
