"""LazySlide: the data set of its tiles in PyTorch's loader."""

import lazyslide  # noqa: F401 - its start-up is a user's start-up
import numpy as np
import torch
from common import PATCH_PX, Job, main
from wsidata import TileSpec, open_wsi
from wsidata.dataset import TileImagesDataset
from wsidata.io import add_tiles

_BATCH = 32


def read_all(job: Job) -> None:
    """Read all patches; with more than one worker in processes of the loader."""
    slide = open_wsi(job.slide, store=None)
    spec = TileSpec.from_wsidata(slide, tile_px=PATCH_PX, mpp=job.spacing_um)
    add_tiles(slide, "tiles", job.corners, spec, np.zeros(len(job.corners), int))
    loader = torch.utils.data.DataLoader(
        TileImagesDataset(slide, "tiles"),
        batch_size=_BATCH,
        num_workers=job.workers if job.workers > 1 else 0,
    )
    for batch in loader:
        for pixels in batch["image"].numpy():
            job.take(pixels)


main(read_all)
