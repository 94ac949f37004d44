"""tiffslide: a loop over read_region as arrays, reduced by Pillow."""

import numpy as np
from common import PATCH_PX, Job, main
from PIL import Image
from tiffslide import TiffSlide


def read_all(job: Job) -> None:
    """Read all patches, in threads with a handle each."""
    side = job.read_px

    def read(slide: TiffSlide, x: int, y: int) -> np.ndarray:
        pixels = slide.read_region((x, y), 0, (side, side), as_array=True)
        if side == PATCH_PX:
            return pixels
        return np.asarray(Image.fromarray(pixels).reduce(side // PATCH_PX))

    job.in_threads(lambda: TiffSlide(job.slide), read)


main(read_all)
