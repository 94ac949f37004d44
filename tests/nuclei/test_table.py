"""Tables of nuclei: round trips, the same bytes, flat memory, files that are none."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.memory import peak_bytes
from microtome.errors import InputError
from microtome.nuclei import table
from microtome.nuclei.table import (
    Form,
    NucleiByPlace,
    count_nuclei,
    read_about,
    read_form,
    read_nuclei,
    write_nuclei,
)

NAMES = ("x_um", "y_um", "x_px", "y_px", "confidence", "haematoxylin")
FORM = Form(latent_depth=5)
ABOUT = {"slide": "a", "spacing_um": 0.25, "model": "crosswise"}


def draw(n: int, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw columns of n nuclei, with latents of 5 numbers."""
    rng = np.random.default_rng(seed)
    values = {name: rng.random(n).astype(np.float32) for name in NAMES}
    return values | {"latent": rng.random((n, 5)).astype(np.float16)}


def joined(path, columns=None) -> dict[str, np.ndarray]:
    """The whole table at once."""
    parts = list(read_nuclei(path, columns))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@given(st.lists(st.integers(0, 40), max_size=6))
def test_what_is_written_is_read(tmp_path_factory, lengths):
    """Whatever the portions, to the bit, in their order; row groups end where they are full."""
    path = tmp_path_factory.mktemp("t") / "a.parquet"
    batches = [draw(n, seed=i) for i, n in enumerate(lengths)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_GROUP_ROWS", 16)
        assert write_nuclei(path, batches, about=ABOUT, form=FORM) == sum(lengths)
        parts = list(read_nuclei(path))
    assert all(len(part["x_um"]) <= 16 for part in parts)
    for name in (*NAMES, "latent"):
        found = np.concatenate([np.empty_like(draw(0)[name]), *(part[name] for part in parts)])
        expected = np.concatenate([draw(0)[name], *(batch[name] for batch in batches)])
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    assert count_nuclei(path) == sum(lengths)
    assert read_about(path) == ABOUT


def test_pandas_reads_it(tmp_path):
    """Another reader gives the same columns."""
    values = draw(100)
    write_nuclei(tmp_path / "a.parquet", [values], about=ABOUT, form=FORM)
    frame = pd.read_parquet(tmp_path / "a.parquet")
    assert list(frame.columns) == [*NAMES, "latent"]
    np.testing.assert_array_equal(frame["confidence"], values["confidence"])
    np.testing.assert_array_equal(np.stack(frame["latent"]), values["latent"])


FULL = Form(latent_depth=5, outlined=True, attributes=("large", "a.b"))


def draw_full(n: int, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw columns of n nuclei, with all that may be known of them; of a third some is not."""
    rng = np.random.default_rng(seed)
    outlines = np.empty(n, object)
    for i in range(n):
        corners = rng.random(0 if i % 3 == 0 else 2 * rng.integers(3, 9))
        outlines[i] = corners.astype(np.float32)
    known = {"area_um2": np.where(np.arange(n) % 3, rng.random(n), np.nan), "outline": outlines}
    known |= {f"probability_{name}": rng.random(n) for name in FULL.attributes}
    return draw(n, seed=seed) | known | {"class": rng.choice(["", "large", "a.b"], n)}


def test_what_may_be_known_of_nuclei_is_read_as_written(tmp_path):
    """Ten thousand with areas, outlines, probabilities, classes and vectors; null where not."""
    path, n = tmp_path / "a.parquet", 10_000
    values = draw_full(n)
    batches = [{k: v[i : i + 700] for k, v in values.items()} for i in range(0, n, 700)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_GROUP_ROWS", 4096)
        assert write_nuclei(path, batches, about=ABOUT, form=FULL) == n
    found = joined(path)
    assert read_form(path) == FULL
    assert set(found) == set(values)
    assert [one.tolist() for one in found["outline"]] == [o.tolist() for o in values["outline"]]
    assert found["class"].tolist() == values["class"].tolist()
    for name in set(values) - {"outline", "class"}:
        np.testing.assert_array_equal(found[name], values[name].astype(found[name].dtype))
    frame = pd.read_parquet(path)
    assert frame["outline"].isna().sum() == frame["area_um2"].isna().sum() == -(-n // 3)
    assert frame["class"].isna().sum() == np.count_nonzero(values["class"] == "")
    np.testing.assert_array_equal(frame["outline"][1], values["outline"][1])


def test_columns_are_chosen_by_how_they_begin(tmp_path):
    """Probabilities of whatever attributes there are."""
    write_nuclei(tmp_path / "a.parquet", [draw_full(3)], about=ABOUT, form=FULL)
    found = joined(tmp_path / "a.parquet", ["x_px", "probability_*", "none_*"])
    assert set(found) == {"x_px", "probability_large", "probability_a.b"}


@pytest.fixture(scope="module")
def in_groups(tmp_path_factory):
    """Write a hundred nuclei in groups of 16."""
    path = tmp_path_factory.mktemp("t") / "a.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_GROUP_ROWS", 16)
        write_nuclei(path, [draw(100)], about=ABOUT, form=FORM)
    return path


@given(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4))
def test_nuclei_are_found_by_place(in_groups, sides):
    """All in the box and no other, in their order, whichever groups they are in."""
    values = draw(100)
    (left, right), (top, bottom) = sorted(sides[:2]), sorted(sides[2:])
    with NucleiByPlace(in_groups) as nuclei:
        found = nuclei.within(left, top, right, bottom)
    x, y = values["x_px"], values["y_px"]
    inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    for name, column in values.items():
        np.testing.assert_array_equal(found[name], column[inside])


def test_the_same_nuclei_are_the_same_bytes(tmp_path):
    """However they come."""
    values = draw(1000)
    whole, parts = tmp_path / "a.parquet", tmp_path / "b.parquet"
    write_nuclei(whole, [values], about=ABOUT, form=FORM)
    cut = ({k: v[i : i + 37] for k, v in values.items()} for i in range(0, 1000, 37))
    write_nuclei(parts, cut, about=ABOUT, form=FORM)
    assert whole.read_bytes() == parts.read_bytes()


def test_columns_that_are_not_there_are_left_out(tmp_path):
    """Who asks for more reads what there is."""
    write_nuclei(tmp_path / "a.parquet", [draw(3)], about=ABOUT)
    found = joined(tmp_path / "a.parquet", ["class", "x_px", "latent"])
    assert list(found) == ["x_px"]


def test_memory_does_not_grow_with_the_number_of_nuclei(tmp_path):
    """Of four times as many no more is held."""
    values = {name: draw(2**14)[name] for name in NAMES}

    def write(n_batches: int) -> None:
        write_nuclei(tmp_path / "a.parquet", (values for _ in range(n_batches)), about=ABOUT)

    assert peak_bytes(lambda: write(40)) < 1.2 * peak_bytes(lambda: write(10))


def test_what_fails_leaves_no_table(tmp_path):
    """A slide that breaks off while it is read leaves nothing that looks complete."""

    def batches():
        yield draw(70_000)
        raise InputError("broken")

    with pytest.raises(InputError, match="broken"):
        write_nuclei(tmp_path / "a.parquet", batches(), about=ABOUT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", None])
def test_what_is_no_table_of_nuclei_is_refused(tmp_path, content):
    """In one line that names the file, also another Parquet file."""
    path = tmp_path / "a.parquet"
    if content is None:
        pd.DataFrame({"x_um": [1.0]}).to_parquet(path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.parquet .*table of nuclei") as error:
        next(read_nuclei(path))
    assert "\n" not in str(error.value)
