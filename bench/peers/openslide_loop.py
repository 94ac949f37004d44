"""openslide-python: a loop over read_region, reduced by Pillow."""

import numpy as np
import openslide
from common import PATCH_PX, Job, main


def read_all(job: Job) -> None:
    """Read all patches, in threads with a handle each."""
    side = job.read_px

    def read(slide: openslide.OpenSlide, x: int, y: int) -> np.ndarray:
        image = slide.read_region((x, y), 0, (side, side)).convert("RGB")
        return np.asarray(image.reduce(side // PATCH_PX))

    job.in_threads(lambda: openslide.OpenSlide(job.slide), read)


main(read_all)
