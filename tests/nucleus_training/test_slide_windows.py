"""Windows of slides: drawn evenly over the tissue, where they say, and no more than places."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.pictures import grid_of, noise
from helpers.training_runs import inspected_slide
from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.nucleus_training.slide_windows import (
    choose_places,
    move_windows,
    open_slide_windows,
)

SETTINGS = {
    "seed": 1,
    "workers": 1,
    "min_tissue_fraction": 0.5,
    "slide_settings": {"spacing_tolerance": 0.02, "upsample": False},
    "copies": {},
}


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 30), st.booleans())
def test_places_are_taken_evenly(counts, n, again):
    """No place is taken again before all have been; without `again` none is."""
    chosen = choose_places(counts, n=n, generator=np.random.default_rng(n), again=again)
    taken = [np.bincount(c, minlength=k) for c, k in zip(chosen, counts, strict=True)]
    times = np.concatenate(taken)
    total = sum(counts)
    assert times.sum() == (n if again else min(n, total)) * bool(total)
    assert [len(t) for t in taken] == counts
    assert np.ptp(times) <= 1 if total else True


@given(st.integers(0, 2**32), st.integers(60, 400), st.integers(60, 400))
def test_windows_stay_near_their_places_and_on_the_slide(seed, width_px, height_px):
    """Half a stride each way at most, and within level 0, which has two px for a px of theirs."""
    places = [(r, c) for r in range(height_px // 80 + 1) for c in range(width_px // 80 + 1)]
    grid = grid_of(places, patch_px=30, stride_px=40, scale=2.0)
    generator = np.random.default_rng(seed)
    moved = move_windows(grid, size_px=(width_px, height_px), generator=generator)
    for now, place, side_px in (
        (moved.row, grid.row, height_px),
        (moved.column, grid.column, width_px),
    ):
        last = side_px // 2 - 30
        assert ((now >= 0) & (now <= last)).all()
        assert (np.abs(now - np.minimum(place * 40, last)) <= 20).all()
    assert (moved.stride_px, moved.patch_px, moved.scale) == (1, 30, 2.0)


@pytest.fixture(scope="module")
def part(tmp_path_factory) -> dict:
    """Write two slides of noise with grids of 12 places, the last four of which are not tissue."""
    folder = tmp_path_factory.mktemp("slides")
    for seed, name in enumerate("ab"):
        info = inspected_slide(folder / f"{name}.svs", noise(90, 120, seed=seed))
        write_json(folder / f"{name}_inspected" / f"{name}.json", info)
        grid = grid_of([(r, c) for r in range(3) for c in range(4)], patch_px=30)
        grid.tissue_fraction[8:] = 0.4
        grid.save(folder / f"{name}.npz")
        write_json(folder / f"{name}.json", {"state": "ok", "reason": ""})
    return {
        "patches": [folder / f"{name}.npz" for name in "ab"],
        "inspected": [folder / f"{name}_inspected" / f"{name}.json" for name in "ab"],
        "slide_paths": [folder / f"{name}.svs" for name in "ab"],
    }


def read_all(windows) -> np.ndarray:
    """Read all windows, colour last."""
    return next(windows.in_order(len(windows)))[0].permute(0, 2, 3, 1).numpy()


def test_a_window_is_what_lies_there_on_the_slide(part):
    """Each is found once on its slide, px by px, none of it far from the tissue."""
    windows = open_slide_windows(**part, n=20, **SETTINGS)
    assert windows.summary() == {"slides": ["a", "b"], "windows": 20}
    found = []
    for image in read_all(windows):
        for seed in (0, 1):
            slide = noise(90, 120, seed=seed)
            corners = np.argwhere((slide[:61, :91] == image[0, 0]).all(axis=-1))
            found += [
                (seed, r, c)
                for r, c in corners
                if np.array_equal(slide[r : r + 30, c : c + 30], image)
            ]
    assert len(found) == 20
    # Places of the third row are no tissue: windows of the second begin at 30 px, moved by 15.
    assert max(r for _, r, _ in found) <= 45
    assert len(set(found)) > 15


def test_windows_follow_from_the_seed(part):
    """The same seed draws the same ones, in the same order; another seed others."""
    first, same, other = (
        open_slide_windows(**part, n=9, **{**SETTINGS, "seed": seed}) for seed in (1, 1, 2)
    )
    assert first.identity() == same.identity() != other.identity()
    np.testing.assert_array_equal(read_all(first), read_all(same))


def test_where_there_are_fewer_places(part):
    """Windows that judge are one a place; those that are learnt from are as many as asked for."""
    assert len(open_slide_windows(**part, n=40, **SETTINGS)) == 40
    assert len(open_slide_windows(**part, n=40, again=False, **SETTINGS)) == 16


def test_a_slide_without_a_grid_is_left_out(part, tmp_path):
    """Its grid is an empty file; the status beside it says why."""
    grid = tmp_path / "c.npz"
    grid.touch()
    write_json(grid.with_suffix(".json"), {"state": "excluded", "reason": "slide c: too coarse"})
    more = {key: [*paths, paths[0]] for key, paths in part.items()}
    more["patches"][2] = grid
    assert open_slide_windows(**more, n=9, **SETTINGS).slides == ["a", "b"]


def test_no_tissue_at_all(part):
    """Where no place has enough tissue, the key to change is named."""
    with pytest.raises(InputError, match=r"^no place of 2 slides has .*min_tissue_fraction 1;"):
        open_slide_windows(**part, n=9, **{**SETTINGS, "min_tissue_fraction": 1})


def test_half_a_million_windows_cost_their_places_alone(part, tmp_path):
    """A few bytes each: no px is held."""
    grid = grid_of([(r, c) for r in range(100) for c in range(100)], patch_px=30)
    grid.save(tmp_path / "a.npz")
    write_json(tmp_path / "a.json", {"state": "ok", "reason": ""})
    one = {key: paths[:1] for key, paths in part.items()} | {"patches": [tmp_path / "a.npz"]}
    tracemalloc.start()
    windows = open_slide_windows(**one, n=500_000, **SETTINGS)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(windows) == 500_000
    assert held / len(windows) < 20
