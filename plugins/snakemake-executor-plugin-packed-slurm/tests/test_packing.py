"""Many short jobs in few long ones."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_packed_slurm.packing import (
    RUNNER_MB,
    Member,
    PackSize,
    fill_packs,
    pack_rest,
)

SIZE = PackSize(minutes=60, cores=4)


def member(number=0, **changed):
    """A member that asks for little."""
    settings = {"kind": ("prepare",), "threads": 1, "mem_mb": 1000, "runtime_min": 10}
    return Member(job=number, steps=(), label="prepare", **{**settings, **changed})


def packed(members, size=SIZE):
    """All of these in packs."""
    packs, rest = fill_packs(members, size)
    return packs + pack_rest(rest, size)


def test_short_jobs_share_a_pack_up_to_its_minutes():
    """Four side by side: 5 + 10 + ceil(170 / 4) = 58 min for 18 of them, 60.5 for 19."""
    packs, rest = fill_packs([member(n) for n in range(40)], SIZE)
    assert [len(pack.members) for pack in packs] == [19, 19]
    assert [one.job for one in rest] == [38, 39]
    assert packs[0].runtime_min == 60
    assert packs[0].cores == 4


@pytest.mark.parametrize(
    ("n_members", "changed", "expected"),
    [
        pytest.param(21, {"runtime_min": 8}, (4, 4000, 5 + 8 + 40), id="four at a time"),
        pytest.param(1, {"threads": 2, "mem_mb": 5000}, (2, 5000, 15), id="one alone"),
        pytest.param(3, {"gpus": 1, "threads": 2}, (2, 1000, 35), id="one at a time on a GPU"),
        pytest.param(3, {"is_retry": True}, (1, 1000, 35), id="one at a time that failed before"),
    ],
)
def test_a_pack_asks_for_the_members_side_by_side(n_members, changed, expected):
    """Each as large as the largest, with the Snakemake that runs them, and time for all in turn."""
    large = member(**changed)
    small = [replace(large, job=n, mem_mb=large.mem_mb - n) for n in range(1, n_members)]
    [pack] = pack_rest([*small, large], SIZE)
    assert (pack.cores, pack.mem_mb - RUNNER_MB, pack.runtime_min) == expected
    assert pack.gpus == changed.get("gpus", 0)


@pytest.mark.parametrize(
    ("what", "value"),
    [
        *(("kind", ("maps",)), ("threads", 2), ("gpus", 1), ("mem_mb", 2100)),
        *(("longest_min", 500), ("is_retry", True)),
    ],
)
def test_unlike_jobs_are_kept_apart(what, value):
    """Another kind, or another size, is another pack."""
    assert len(packed([member(0), member(1, **{what: value})])) == 2


def test_no_pack_is_longer_than_the_cluster_allows():
    """Three of 25 minutes: two fill 55 of 60 minutes, a third would not fit; a long one is full."""
    size = PackSize(minutes=1000, cores=1)
    short = {"longest_min": 60}
    packs, rest = fill_packs([member(n, runtime_min=25, **short) for n in range(3)], size)
    assert [len(pack.members) for pack in packs] == [2]
    assert len(rest) == 1
    [alone], rest = fill_packs([member(runtime_min=5000, **short)], size)
    assert (alone.runtime_min, rest) == (60, [])


def test_a_pack_has_two_hundred_members_at_most():
    """However short they are."""
    packs, rest = fill_packs([member(n, runtime_min=0) for n in range(450)], SIZE)
    assert [len(pack.members) for pack in packs] == [200, 200]
    assert len(rest) == 50


@given(
    st.lists(
        st.builds(
            member,
            kind=st.sampled_from([("a",), ("b",)]),
            threads=st.integers(1, 6),
            mem_mb=st.integers(1, 9000),
            runtime_min=st.integers(1, 500),
            gpus=st.integers(0, 2),
        ),
        max_size=60,
    )
)
def test_every_job_is_in_one_pack_that_is_large_enough(members):
    """Nothing is lost or done twice, and each member fits into its pack."""
    packs = packed(members)
    assert sorted(id(one) for pack in packs for one in pack.members) == sorted(map(id, members))
    for pack in packs:
        for one in pack.members:
            assert one.threads <= pack.cores
            assert one.mem_mb < pack.mem_mb
            assert one.gpus == pack.gpus
            assert one.runtime_min < pack.runtime_min
            assert pack.runtime_min <= one.longest_min
