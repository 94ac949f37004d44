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


def test_a_plain_snakemake_is_kept_out_until_it_is_released(persistence):
    """It sees a lock like its own."""
    plain = persistence(nolock=False)
    lock = SnakemakeLock(persistence())
    assert plain.locked
    lock.release()
    assert not plain.locked


def test_a_folder_in_which_a_plain_snakemake_runs_is_refused(persistence):
    """Or in which one was killed: nobody knows; its lock stays."""
    plain = persistence(nolock=False)
    with plain.lock():
        with pytest.raises(InputError, match=r"another Snakemake runs in .*--unlock"):
            SnakemakeLock(persistence())
        assert plain.locked
    SnakemakeLock(persistence()).release()


def test_what_a_killed_driver_left_is_taken_over(persistence):
    """It is never released."""
    SnakemakeLock(persistence())
    lock = SnakemakeLock(persistence())
    lock.release()
    assert not persistence().locked


def test_a_lock_that_was_taken_after_a_killed_drivers_was_removed_is_anothers(persistence):
    """By `snakemake --unlock`, which forgets whose it was."""
    SnakemakeLock(persistence())
    plain = persistence(nolock=False)
    plain.cleanup_locks()
    shutil.rmtree(plain.path / "locks", ignore_errors=True)
    plain = persistence(nolock=False)
    with plain.lock(), pytest.raises(InputError):
        SnakemakeLock(persistence())


def test_where_snakemake_has_its_lock_itself_nothing_is_done(persistence):
    """Without `nolock`."""
    own = persistence(nolock=False)
    with own.lock():
        SnakemakeLock(own).release()
        assert own.locked
