"""What is true of the nuclei of the demo cohort."""

import numpy as np
import pytest

from microtome.demo.nuclei import Stamped, find_nuclei
from microtome.demo.slide import DemoSlide, draw_slide

# A stamp of 3 x 3 px with all its haematoxylin in one row: 10 left, 20 middle, 10 right.
STAMP = np.zeros((3, 3), np.uint8)
STAMP[1] = 10, 20, 10


@pytest.fixture(scope="module")
def drawn() -> DemoSlide:
    """Draw a small slide with tumour."""
    return draw_slide("demo-01", seed=2021, width_px=1400, height_px=1400)


def stamp(kind: str, *places: tuple[int, int]) -> Stamped:
    """Nuclei of one kind at rows and columns."""
    return Stamped(kind, np.array(places), STAMP[None], np.zeros(len(places), np.int64))


def test_debris_is_no_nucleus() -> None:
    """What is left of nuclei in necrosis does not count; nuclei that overlap all do."""
    present = np.full((9, 9), 100, np.uint8)
    stamped = [stamp("tumour", (2, 2), (2, 3)), stamp("necrosis", (6, 6)), stamp("stroma", (5, 4))]
    found = find_nuclei(stamped, present)
    assert found.centres_px.tolist() == [[2.5, 2.5], [3.5, 2.5], [4.5, 5.5]]
    assert found.kinds.tolist() == ["tumour", "tumour", "stroma"]


@pytest.mark.parametrize(
    ("present", "is_there"),
    [((0, 75, 50), True), ((0, 75, 49), False), ((100, 50, 0), True), ((100, 49, 0), False)],
)
def test_half_of_a_nucleus_is_enough(present: tuple, is_there: bool) -> None:
    """Of 40 hundredths in the stamp 20 must be left: 10, 20 and 10 times the share of tissue."""
    canvas = np.zeros((5, 5), np.uint8)
    canvas[2, 1:4] = present
    assert (len(find_nuclei([stamp("normal", (2, 2))], canvas).kinds) == 1) == is_there


def test_a_slide_without_nuclei_has_an_empty_list() -> None:
    """Two columns all the same."""
    found = find_nuclei(
        [Stamped("normal", np.empty((0, 2), int), STAMP[None], np.empty(0, int))], STAMP
    )
    assert found.centres_px.shape == (0, 2)
    assert found.kinds.shape == (0,)


def test_small_nuclei_are_dark_at_their_centres(drawn: DemoSlide) -> None:
    """Red light passes less than through what is 7 µm beside, for nearly all."""
    red = drawn.pixels[..., 0].astype(int)
    small = drawn.nuclei.centres_px[np.isin(drawn.nuclei.kinds, ["normal", "lymphoid", "stroma"])]
    assert len(small) > 300
    column, row = small.astype(int).T
    beside = np.median([red[(row + dy) % 1400, (column + dx) % 1400] for dy, dx in RING], axis=0)
    assert (red[row, column] < beside - 10).mean() > 0.95


RING = [(14, 0), (-14, 0), (0, 14), (0, -14)]


def test_tumour_nuclei_lie_in_viable_tumour(drawn: DemoSlide) -> None:
    """And no other kind does, but for those whose middle is at its border."""
    column, row = drawn.nuclei.centres_px.astype(int).T
    is_tumour = drawn.nuclei.kinds == "tumour"
    inside = drawn.viable[row, column]
    assert inside[is_tumour].mean() > 0.98
    assert inside[~is_tumour].mean() < 0.05
    assert is_tumour.sum() > 300
