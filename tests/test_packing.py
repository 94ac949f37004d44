"""Many short jobs in few long ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtome.packing import RUNNER_MB, Member, PackSize, full_packs, remaining_packs

SIZE = PackSize(minutes=60, cores=4)


def member(number=0, **changed):
    """A member that asks for little."""
    settings = {"kind": ("prepare",), "threads": 1, "mem_mb": 1000, "runtime_min": 10}
    return Member(job=number, steps=(), label="prepare", **{**settings, **changed})


def packed(members, size=SIZE):
    """All of these in packs."""
    packs, rest = full_packs(members, size)
    return packs + remaining_packs(rest, size)


def test_short_jobs_share_a_pack_up_to_its_minutes():
    """Four side by side: 5 + 10 + ceil(170 / 4) = 58 min for 18 of them, 60.5 for 19."""
    packs, rest = full_packs([member(n) for n in range(40)], SIZE)
    assert [len(pack.members) for pack in packs] == [19, 19]
    assert [one.job for one in rest] == [38, 39]
    assert packs[0].runtime_min == 60
    assert packs[0].cores == 4


def test_memory_is_that_of_the_members_side_by_side():
    """Four of at most 1020 MB at a time, and the Snakemake that runs them."""
    members = [member(n, mem_mb=1000 + n) for n in range(21)]
    [pack] = remaining_packs(members, SIZE)
    assert pack.mem_mb == RUNNER_MB + 4 * 1020


def test_a_single_job_asks_for_itself_alone():
    """One member: its own cores and memory."""
    [pack] = remaining_packs([member(threads=2, mem_mb=5000, runtime_min=30)], SIZE)
    assert (pack.cores, pack.mem_mb, pack.runtime_min) == (2, 5000 + RUNNER_MB, 35)


def test_a_long_job_is_a_pack_at_once():
    """No waiting for others where one fills the pack."""
    packs, rest = full_packs([member(runtime_min=90)], SIZE)
    assert len(packs) == 1
    assert not rest


@pytest.mark.parametrize(
    "other",
    [{"kind": ("maps",)}, {"threads": 2}, {"gpus": 1}, {"mem_mb": 2100}, {"longest_min": 500}],
    ids=["kind", "threads", "gpus", "memory", "limit"],
)
def test_unlike_jobs_are_kept_apart(other):
    """Another kind, or another size, is another pack."""
    assert len(packed([member(0), member(1, **other)])) == 2


def test_jobs_on_a_gpu_follow_one_another():
    """Their times add up, their memory does not."""
    [pack] = remaining_packs([member(n, gpus=1, threads=2) for n in range(3)], SIZE)
    assert (pack.gpus, pack.cores, pack.runtime_min) == (1, 2, 35)
    assert pack.mem_mb == 1000 + RUNNER_MB


def test_what_failed_before_runs_beside_no_other():
    """Whoever runs when the job dies is to blame: there is one."""
    [pack] = remaining_packs([member(n, is_retry=True) for n in range(3)], SIZE)
    assert (pack.cores, pack.mem_mb, pack.runtime_min) == (1, 1000 + RUNNER_MB, 35)
    assert len(packed([member(0), member(1, is_retry=True)])) == 2


def test_no_pack_is_longer_than_the_cluster_allows():
    """Three of 25 minutes: two fill 55 of 60 minutes, a third would not fit."""
    size = PackSize(minutes=1000, cores=1)
    short = {"longest_min": 60}
    packs, rest = full_packs([member(n, runtime_min=25, **short) for n in range(3)], size)
    assert [len(pack.members) for pack in packs] == [2]
    assert len(rest) == 1
    [alone] = packed([member(runtime_min=500, **short)], size)
    assert alone.runtime_min == 60


def test_a_pack_has_two_hundred_members_at_most():
    """However short they are."""
    packs, rest = full_packs([member(n, runtime_min=0) for n in range(450)], SIZE)
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
