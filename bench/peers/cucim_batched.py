"""cuCIM on the CPU: batches of regions, decoded by its own threads, reduced by Pillow."""

import numpy as np
from common import PATCH_PX, Job, main
from cucim import CuImage
from PIL import Image

_BATCH = 32


def read_all(job: Job) -> None:
    """Read all patches."""
    side = job.read_px
    loader = CuImage(job.slide).read_region(
        [(int(x), int(y)) for x, y in job.corners],
        (side, side),
        level=0,
        num_workers=job.workers,
        batch_size=_BATCH,
    )
    for batch in loader:
        # The last batch comes filled up.
        for pixels in np.asarray(batch).reshape(-1, side, side, 3)[: len(job.corners) - job.n]:
            if side > PATCH_PX:
                job.take(np.asarray(Image.fromarray(pixels).reduce(side // PATCH_PX)))
            else:
                job.take(pixels)


main(read_all)
