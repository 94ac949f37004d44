"""Snakemake's own lock, held by a driver of packs whose profile says `nolock`."""

import shutil
from types import SimpleNamespace

import pytest
from snakemake.persistence.file import FilePersistence

from snakemake_executor_plugin_packed_slurm.errors import InputError
from snakemake_executor_plugin_packed_slurm.snakemake_lock import SnakemakeLock


@pytest.fixture
def persistence(tmp_path, monkeypatch):
    """Give a function that makes what a Snakemake knows of a folder; it is to make a file."""
    monkeypatch.chdir(tmp_path)
    job = SimpleNamespace(input=["in"], output=["out"])
    settings = SimpleNamespace(max_checksum_file_size=0)
    workflow = SimpleNamespace(dag_settings=settings)
    dag = SimpleNamespace(jobs=[job], needrun_jobs=lambda: [job], workflow=workflow)
    return lambda *, nolock=True: FilePersistence(nolock=nolock, dag=dag)


def hold(persistence, *, is_ours=True):
    """Take the lock, as a driver whose folder is not taken over, or is so later."""
    return SnakemakeLock(persistence, SimpleNamespace(is_held=lambda: is_ours))


def test_a_plain_snakemake_is_kept_out_until_it_is_released(persistence):
    """It sees a lock like its own."""
    plain = persistence(nolock=False)
    lock = hold(persistence())
    assert plain.locked
    lock.release()
    assert not plain.locked


def test_a_folder_in_which_a_plain_snakemake_runs_is_refused(persistence):
    """Or in which one was killed: nobody knows; its lock stays."""
    plain = persistence(nolock=False)
    with plain.lock():
        with pytest.raises(InputError, match=r"another Snakemake runs in .*--unlock"):
            hold(persistence())
        assert plain.locked
    hold(persistence()).release()


def test_what_a_killed_driver_left_is_taken_over(persistence):
    """It was never released; a plain Snakemake is refused all the same."""
    hold(persistence())
    assert persistence().locked
    lock = hold(persistence())
    assert persistence().locked
    lock.release()
    assert not persistence().locked


def test_a_driver_that_was_taken_for_dead_leaves_the_lock_to_the_other(persistence):
    """That has it by then."""
    quiet = hold(persistence(), is_ours=False)
    hold(persistence())
    quiet.release()
    assert persistence().locked


def test_a_lock_that_was_taken_after_a_killed_drivers_was_removed_is_anothers(persistence):
    """By `snakemake --unlock`, which forgets whose it was."""
    hold(persistence())
    plain = persistence(nolock=False)
    plain.cleanup_locks()
    shutil.rmtree(plain.path / "locks", ignore_errors=True)
    plain = persistence(nolock=False)
    with plain.lock(), pytest.raises(InputError):
        hold(persistence())


def test_where_snakemake_has_its_lock_itself_nothing_is_done(persistence):
    """Without `nolock`."""
    own = persistence(nolock=False)
    with own.lock():
        hold(own).release()
        assert own.locked
