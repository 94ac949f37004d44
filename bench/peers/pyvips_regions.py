"""pyvips: regions fetched from level 0, shrunk by libvips, which threads by itself."""

import os
import sys

# Read when libvips starts; the fourth argument is the number of workers.
os.environ["VIPS_CONCURRENCY"] = sys.argv[4]

import numpy as np
import pyvips
from common import PATCH_PX, Job, main


def read_all(job: Job) -> None:
    """Read all patches; libtiff and libjpeg decode, not OpenSlide, which is slower here."""
    times = job.read_px // PATCH_PX
    image = pyvips.Image.tiffload(job.slide, page=0)
    region = pyvips.Region.new(image.shrink(times, times) if times > 1 else image)
    for x, y in job.corners:
        data = region.fetch(int(x) // times, int(y) // times, PATCH_PX, PATCH_PX)
        job.take(np.frombuffer(data, np.uint8).reshape(PATCH_PX, PATCH_PX, 3))


main(read_all)
