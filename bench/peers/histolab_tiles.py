"""histolab: its extract_tile at level 0, resized by Pillow."""

import tempfile

import numpy as np
from common import PATCH_PX, Job, main

# histolab wants an openslide-python that looks for the library on the system only: loaded here
# from the wheel, it is found.
from openslide_bin import libopenslide1  # noqa: F401 isort:skip

from histolab.slide import Slide
from histolab.types import CoordinatePair


def read_all(job: Job) -> None:
    """Read all patches, in one thread: histolab has no other way."""
    side = job.read_px
    with tempfile.TemporaryDirectory() as folder:
        slide = Slide(job.slide, folder)
        for x, y in job.corners.tolist():
            at = CoordinatePair(x, y, x + side, y + side)
            image = slide.extract_tile(at, tile_size=(side, side), level=0).image.convert("RGB")
            job.take(np.asarray(image.resize((PATCH_PX, PATCH_PX))))


main(read_all)
