"""Snakemake's own lock of a folder: it keeps a plain `snakemake` out while packs are under way."""

from contextlib import suppress
from pathlib import Path

from snakemake.exceptions import LockException
from snakemake_interface_executor_plugins.persistence import PersistenceExecutorInterface

from .driver_lock import DriverLock
from .errors import InputError


class SnakemakeLock:
    """Holds Snakemake's lock although the profile says ``nolock``.

    Snakemake itself refuses a folder whose lock a killed driver left. With ``nolock`` it takes
    none; it is taken here, where that of a killed driver is known for what it is.

    Parameters
    ----------
    persistence : PersistenceExecutorInterface
    driver : DriverLock
        That of the same folder, held: no other driver of packs is alive.

    Raises
    ------
    InputError
        If another Snakemake holds it, or left it behind.
    """

    def __init__(self, persistence: PersistenceExecutorInterface, driver: DriverLock) -> None:
        self._persistence, self._driver = persistence, driver
        # That it is to take no lock is said by methods of the object itself: what they do not do
        # its class does. Nothing but `release` unlocks: not the end of the context either.
        self._is_held = {"lock", "unlock"} <= vars(persistence).keys()
        if not self._is_held:
            return
        del persistence.lock
        self._folder = persistence.path / "locks"
        self._note = self._folder / "packed-slurm.txt"  # names of the files that are ours
        self._remove_left()
        before = self._files()
        try:
            persistence.lock().__enter__()
        except LockException:
            self._is_held = False
            raise InputError(
                f"another Snakemake runs in {Path.cwd()}, or was killed in it: wait for its end, or"
                " if there is none remove its lock: snakemake --unlock"
            ) from None
        if ours := self._files() - before:
            self._note.write_text("".join(f"{name}\n" for name in sorted(ours)))

    def release(self) -> None:
        """Give it back, unless another driver has taken the folder over."""
        if self._is_held and self._driver.is_held():
            type(self._persistence).unlock(self._persistence)

    def _files(self) -> set[str]:
        return {path.name for path in self._folder.glob("*.lock")}

    def _remove_left(self) -> None:
        """Remove what a killed driver of packs left, and nothing else."""
        with suppress(FileNotFoundError):
            for name in self._note.read_text().splitlines():
                (self._folder / Path(name).name).unlink(missing_ok=True)
            self._note.unlink()
