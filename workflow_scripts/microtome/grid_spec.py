"""What a grid of patches is asked to be, and the name of its folder."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"(?P<spacing>[0-9.]+)um_(?P<patch>\d+)px_every(?P<stride>\d+)px")


@dataclass(frozen=True)
class GridSpec:
    """Spacing in µm/px, and patch side and stride in px at that spacing."""

    spacing_um: float
    patch_px: int
    stride_px: int

    @property
    def name(self) -> str:
        """Name of the grid's folder, such as ``1um_256px_every128px``."""
        return f"{self.spacing_um:g}um_{self.patch_px}px_every{self.stride_px}px"

    @classmethod
    def from_name(cls, name: str) -> "GridSpec":
        """The inverse of `name`."""
        found = _NAME.fullmatch(name)
        return cls(float(found["spacing"]), int(found["patch"]), int(found["stride"]))
