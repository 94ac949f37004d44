"""WSInfer: its data set of patches in PyTorch's loader, as `run_inference` makes it."""

import tempfile
from pathlib import Path

import h5py
import numpy as np
import torch
from common import PATCH_PX, Job, main
from wsinfer.modellib.data import WholeSlideImagePatches

_BATCH = 32


def _to_patch(image) -> torch.Tensor:
    """Resize as its configurations do, and leave the pixels bytes."""
    return torch.from_numpy(np.array(image.resize((PATCH_PX, PATCH_PX))))


def read_all(job: Job) -> None:
    """Read all patches; with more than one worker in processes of the loader."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patches.h5"
        with h5py.File(path, "w") as file:
            coordinates = file.create_dataset("coords", data=job.corners)
            coordinates.attrs["patch_level"] = 0
            coordinates.attrs["patch_size"] = job.read_px
        patches = WholeSlideImagePatches(job.slide, path, transform=_to_patch)
    processes = job.workers if job.workers > 1 else 0
    if not processes:
        patches.worker_init()
    loader = torch.utils.data.DataLoader(
        patches, batch_size=_BATCH, num_workers=processes, worker_init_fn=patches.worker_init
    )
    for batch, _ in loader:
        for pixels in batch.numpy():
            job.take(pixels)


main(read_all)
