"""Snakemake's own lock of a folder: it keeps a plain `snakemake` out while packs are under way."""

from contextlib import suppress
from pathlib import Path

from snakemake.exceptions import LockException
from snakemake_interface_executor_plugins.persistence import PersistenceExecutorInterface

from .errors import InputError


class SnakemakeLock:
    """Holds Snakemake's lock although the profile says ``nolock``.

    Snakemake itself refuses a folder whose lock a killed driver left. With ``nolock`` it takes
    none; it is taken here, where that of a killed driver is known for what it is.

    Parameters
    ----------
    persistence : PersistenceExecutorInterface
        Of a folder whose `DriverLock` is held: no other driver of packs is alive.

    Raises
    ------
    InputError
        If another Snakemake holds it, or left it behind.
    """

    def __init__(self, persistence: PersistenceExecutorInterface) -> None:
        self._held = None
        # That it is to take no lock is said by methods of the object itself.
        if not {"lock", "unlock"} <= vars(persistence).keys():
            return
        del persistence.lock, persistence.unlock
        self._folder = persistence.path / "locks"
        self._note = self._folder / "packed-slurm.txt"  # names of the files that are ours
        self._remove_left()
        before = self._files()
        held = persistence.lock()
        try:
            held.__enter__()
        except LockException:
            raise InputError(
                f"another Snakemake runs in {Path.cwd()}, or was killed in it: wait for its end, or"
                " if there is none remove its lock: snakemake --unlock"
            ) from None
        self._held = held
        if ours := self._files() - before:
            self._note.write_text("".join(f"{name}\n" for name in sorted(ours)))

    def release(self) -> None:
        """Give it back."""
        if self._held:
            self._held.__exit__(None, None, None)

    def _files(self) -> set[str]:
        return {path.name for path in self._folder.glob("*.lock")}

    def _remove_left(self) -> None:
        """Remove what a killed driver of packs left, and nothing else."""
        with suppress(FileNotFoundError):
            for name in self._note.read_text().splitlines():
                (self._folder / Path(name).name).unlink(missing_ok=True)
            self._note.unlink()
