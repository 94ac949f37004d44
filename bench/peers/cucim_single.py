"""cuCIM on the CPU: one region at a time, reduced by Pillow."""

import numpy as np
from common import PATCH_PX, Job, main
from cucim import CuImage
from PIL import Image


def read_all(job: Job) -> None:
    """Read all patches, in threads with a handle each."""
    side = job.read_px

    def read(slide: CuImage, x: int, y: int) -> np.ndarray:
        pixels = np.asarray(slide.read_region((x, y), (side, side), 0))
        if side == PATCH_PX:
            return pixels
        return np.asarray(Image.fromarray(pixels).reduce(side // PATCH_PX))

    job.in_threads(lambda: CuImage(job.slide), read)


main(read_all)
