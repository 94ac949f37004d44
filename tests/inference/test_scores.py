"""The scores of a slide's patches are stored as they come, and read a few at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.pictures import files_of, grid_of
from microtome.errors import InputError
from microtome.inference import score_store as score_stores
from microtome.inference.score_store import open_scores, write_scores


def row_of(n: int, **settings_: object):
    """Make a grid of one row of patches."""
    return grid_of([(0, i) for i in range(n)], patch_px=8, **settings_)


def of(maps: np.ndarray) -> dict[str, np.ndarray]:
    """Maps of patches as `score` gives those of a single network."""
    return {"probability": maps}


def test_scores_come_back_in_the_order_of_the_grid(tmp_path):
    """Scores given in any order are stored by patch; those that lack are NaN, and counted."""
    grid = row_of(6, stride_px=4, scale=1.5, labels=[0, 1] * 3)
    maps = np.random.default_rng(0).random((6, 2, 2)).astype(np.float32)
    parts = [(np.array([4, 3]), of(maps[[4, 3]])), (np.array([0]), of(maps[[0]]))]
    path = tmp_path / "a.zarr"
    write_scores(path, iter(parts), grid, origin={"model": "m"})
    scores = open_scores(path)
    maps[[1, 2, 5]] = np.nan
    np.testing.assert_array_equal(scores.probability[:], maps)
    np.testing.assert_array_equal(scores.grid.column, range(6))
    np.testing.assert_array_equal(scores.grid.label, [0, 1, 0, 1, 0, 1])
    assert (scores.grid.scale, scores.grid.patch_px, scores.grid.stride_px) == (1.5, 8, 4)
    assert (scores.attributes["model"], scores.attributes["unreadable_patches"]) == ("m", 3)


@settings(max_examples=40)
@given(
    n=st.integers(1, 200),
    side=st.sampled_from([1, 2, 5]),
    part=st.integers(1, 30),
    chunk_bytes=st.sampled_from([1, 64, 500, 2**22]),
    share=st.sampled_from([0.1, 0.9, 1.0]),
    seed=st.integers(0, 999),
)
def test_any_order_in_parts_of_any_size(
    tmp_path_factory, *, n, side, part, chunk_bytes, share, seed
):
    """Whatever the order, the parts and the chunks: every map is where it belongs."""
    rng = np.random.default_rng(seed)
    maps = rng.random((n, side, side)).astype(np.float32)
    order = rng.permutation(n)[: int(np.ceil(share * n))]
    index = [order[i : i + part] for i in range(0, len(order), part)]
    parts = [(i, of(maps[i])) for i in index]
    path = tmp_path_factory.mktemp("scores") / "a.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_stores, "_CHUNK_BYTES", chunk_bytes)
        write_scores(path, iter(parts), row_of(n), origin={})
        scores = open_scores(path)
        maps[np.setdiff1d(np.arange(n), order)] = np.nan
        np.testing.assert_array_equal(scores.probability[:], maps)
        np.testing.assert_array_equal(np.isnan(scores.tumour_shares()), np.isnan(maps[:, 0, 0]))
    assert scores.attributes["unreadable_patches"] == n - len(order)


@pytest.mark.parametrize(("side", "n"), [(1, 50_000), (64, 1000)])
def test_few_files(tmp_path, side, n):
    """Scores are a handful of files: cluster file systems choke on many."""
    maps = np.random.default_rng(0).random((n, side, side)).astype(np.float32)
    write_scores(tmp_path / "a.zarr", [(np.arange(n), of(maps))], row_of(n), origin={})
    assert sum(file.is_file() for file in (tmp_path / "a.zarr").rglob("*")) < 25


def test_the_same_scores_give_the_same_bytes(tmp_path):
    """The order in which scores come leaves no trace."""
    maps = np.random.default_rng(0).random((99, 3, 3)).astype(np.float32)
    for name, order in (("a", np.arange(99)), ("b", np.arange(99)[::-1])):
        parts = [(order[i : i + 10], of(maps[order[i : i + 10]])) for i in range(0, 99, 10)]
        write_scores(tmp_path / name, parts, row_of(99), origin={"slide": "a"})
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_no_scores_at_all(tmp_path):
    """A slide none of whose patches could be read, and one without patches."""
    for n in (0, 1):
        write_scores(tmp_path / f"{n}.zarr", [], row_of(n), origin={})
        scores = open_scores(tmp_path / f"{n}.zarr")
        assert (len(scores.grid), scores.probability.shape) == (n, (n, 1, 1))
        assert np.isnan(scores.tumour_shares()).all()
        assert not scores.are_kept(min_tissue_fraction=0, max_white_fraction=0.7).any()
        assert scores.attributes["unreadable_patches"] == n


@pytest.mark.parametrize("parts", [[[0], [0]], [[0, 0]], [[1], [0, 1]]])
def test_a_patch_scored_twice_is_a_fault(tmp_path, parts):
    """Scoring a patch twice would weight it twice: it stops the program, and leaves no store."""
    given_ = [(np.array(p), of(np.zeros((len(p), 1, 1), np.float32))) for p in parts]
    with pytest.raises(ValueError, match="scored twice"):
        write_scores(tmp_path / "a.zarr", given_, row_of(2), origin={})
    assert not list(tmp_path.iterdir())


def test_no_store(tmp_path):
    """A folder that is no store, and one that is not there, are named with what to do."""
    (tmp_path / "folder.zarr").mkdir()
    for name in ("folder.zarr", "gone.zarr"):
        text = f"^{tmp_path / name} is no store of this workflow; delete it and run again$"
        with pytest.raises(InputError, match=text):
            open_scores(tmp_path / name)


def test_members_of_an_ensemble_have_their_own(tmp_path):
    """All maps of a part are kept by name; a member's are opened by its name."""
    rng = np.random.default_rng(0)
    names = ("probability", "epistemic", "aleatoric", "white", "a.probability", "a.aleatoric")
    maps = {name: rng.random((5, 2, 2)).astype(np.float32) for name in names}
    parts = [(np.array(i), {k: v[i] for k, v in maps.items()}) for i in ([3, 0], [4], [1, 2])]
    write_scores(tmp_path / "e.zarr", iter(parts), row_of(5), origin={})
    found = open_scores(tmp_path / "e.zarr")
    for part in ("probability", "aleatoric", "epistemic"):
        np.testing.assert_array_equal(getattr(found, part)[:], maps[part])
    found = open_scores(tmp_path / "e.zarr", member="a")
    np.testing.assert_array_equal(found.probability[:], maps["a.probability"])
    np.testing.assert_array_equal(found.aleatoric[:], maps["a.aleatoric"])
    assert found.epistemic is None
    np.testing.assert_array_equal(found.white[:], maps["white"])
    with pytest.raises(InputError, match="holds no scores of b"):
        open_scores(tmp_path / "e.zarr", member="b")


def test_scores_that_do_not_know_what_is_white(tmp_path):
    """Those of an earlier version: a line that names the slide."""
    maps = of(np.zeros((1, 1, 1), np.float32))
    write_scores(tmp_path / "a.zarr", [(np.arange(1), maps)], row_of(1), origin={"slide": "a"})
    scores = open_scores(tmp_path / "a.zarr")
    assert scores.are_kept(min_tissue_fraction=0.9, max_white_fraction=1).all()
    with pytest.raises(InputError, match=r"^scores of slide a do not say .*; delete them and run"):
        scores.are_kept(min_tissue_fraction=0.9, max_white_fraction=0.7)
