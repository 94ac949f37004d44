"""The settings of a grid of patches, and the name of its folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NAME = re.compile(r"(?P<spacing>[0-9.]+)um_(?P<patch>\d+)px_every(?P<stride>\d+)px")


@dataclass(frozen=True)
class GridSpec:
    """Spacing in µm/px, and patch side and stride in px at that spacing.

    Examples
    --------
    >>> GridSpec(spacing_um=1.0, patch_px=256, stride_px=128).name
    '1um_256px_every128px'
    >>> GridSpec.from_name("1um_256px_every128px")
    GridSpec(spacing_um=1.0, patch_px=256, stride_px=128)
    """

    spacing_um: float
    patch_px: int
    stride_px: int

    @property
    def name(self) -> str:
        """Name of the grid's folder."""
        return f"{self.spacing_um:g}um_{self.patch_px}px_every{self.stride_px}px"

    @classmethod
    def from_name(cls, name: str) -> "GridSpec":
        """Read a grid from its folder's name."""
        found = _NAME.fullmatch(name)
        return cls(float(found["spacing"]), int(found["patch"]), int(found["stride"]))


def name_patch_set(grid: str, further_um: Sequence[float]) -> str:
    """Name of the folder of a grid's patches, which have further spacings in µm/px.

    Examples
    --------
    >>> name_patch_set("0.5um_256px_every256px", [1.0, 2.0])
    '0.5um_256px_every256px_with_1um_2um'
    """
    return "_".join([grid, *(["with"] if further_um else []), *(f"{um:g}um" for um in further_um)])


def split_patch_set(name: str) -> tuple[str, list[float]]:
    """Read the grid's name and the further spacings from a `name_patch_set`."""
    grid, _, further = name.partition("_with_")
    return grid, [float(um.removesuffix("um")) for um in further.split("_") if um]
