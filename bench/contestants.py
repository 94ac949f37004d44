"""Who takes part: the decode bound, Microtome, and its peers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from environments import python_of

if TYPE_CHECKING:
    from measuring import Case

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Contestant:
    """One way to get the patches.

    Attributes
    ----------
    name : str
        For ``--only``.
    title : str
        For the table.
    script : str
        Beside this file.
    options : tuple of str
        For the script.
    environment : str, optional
        Where the script runs; None: where this runs.
    workers : tuple of int
        How many workers to try.
    limit : int, optional
        The first so many patches are enough, for slow peers.
    only_case : str, optional
        The one case it can do.
    """

    name: str
    title: str
    script: str
    options: tuple[str, ...] = ()
    environment: str | None = None
    workers: tuple[int, ...] = (1, 2)
    limit: int | None = None
    only_case: str | None = None

    def takes(self, case: Case) -> bool:
        """Whether it can do a case at all."""
        return self.only_case in (None, case.name)

    def command(self) -> list[str]:
        """How the script is started; arguments follow.

        Raises
        ------
        NotInstallableError
            If its environment cannot be made.
        """
        python = python_of(self.environment) if self.environment else sys.executable
        return [str(python), str(HERE / self.script), *self.options]

    @property
    def is_bound(self) -> bool:
        """Whether this is the decode bound."""
        return self.name == "bound"


def _ours(codec: str, only_case: str | None = None) -> Contestant:
    return Contestant(
        "ours",
        f"Microtome, into a {codec} store",
        "ours.py",
        ("--codec", codec),
        only_case=only_case,
    )


def _peer(
    name: str,
    title: str,
    script: str,
    *,
    workers: tuple[int, ...] = (1, 2),
    limit: int | None = None,
) -> Contestant:
    return Contestant(
        name, title, f"peers/{script}.py", environment=name, workers=workers, limit=limit
    )


CONTESTANTS = (
    Contestant("bound", "decode bound", "bound.py"),
    _ours("raw"),
    _ours("jpeg"),
    # Tiles are patches only here.
    _ours("pass-through", "ycbcr-256-0.5um"),
    _peer("cucim", "cuCIM on the CPU, batched", "cucim_batched"),
    _peer("cucim", "cuCIM on the CPU, patch by patch", "cucim_single"),
    _peer("openslide", "OpenSlide, read_region", "openslide_loop"),
    _peer("tiffslide", "tiffslide, read_region", "tiffslide_loop", limit=400),
    _peer("pyvips", "pyvips, regions", "pyvips_regions"),
    _peer("tiatoolbox", "TIAToolbox, read_rect", "tiatoolbox_rects", workers=(1,), limit=400),
    _peer("wsinfer", "WSInfer, its data set", "wsinfer_dataset", limit=400),
    _peer("lazyslide", "LazySlide, its data set", "lazyslide_dataset", limit=400),
    _peer("histolab", "histolab, extract_tile", "histolab_tiles", workers=(1,), limit=400),
)
