"""MONAI: PatchInferer over the windows of the slide, averaged in Zarr arrays or in memory."""

import torch
import zarr
from monai.inferers import AvgMerger, PatchInferer, WSISlidingWindowSplitter, ZarrAvgMerger
from windows import BATCH, STRIDE_PX, WINDOW_PX, Job, bytes_of, main

_READ_AHEAD = 2 * BATCH


def score_all(job: Job) -> dict:
    """Score all windows; `way` is a backend of its reader, and where the map is put together."""
    reader, place = job.way.split("-")
    stores = {name: job.folder / f"{name}.zarr" for name in ("store", "value_store", "count_store")}
    # Chunks of the stride: whatever else they are, a window covers parts of some.
    merger = (
        {"merger_cls": ZarrAvgMerger, "chunks": (1, 1, STRIDE_PX, STRIDE_PX)}
        | {name: str(path) for name, path in stores.items()}
        if place == "zarr"
        else {"merger_cls": AvgMerger}
    )
    inferer = PatchInferer(
        splitter=WSISlidingWindowSplitter(
            WINDOW_PX, overlap=1 - STRIDE_PX / WINDOW_PX, reader=reader
        ),
        batch_size=BATCH,
        preprocessing=lambda patches: patches.float() / 255,
        postprocessing=lambda logits: logits.softmax(dim=1)[:, 1:],
        buffer_size=_READ_AHEAD,
        **merger,
    )
    merged = inferer(str(job.slide), job.network)
    if isinstance(merged, torch.Tensor):
        # On disk like the others' maps.
        array = zarr.create_array(
            str(stores["store"]),
            shape=merged.shape,
            dtype="float32",
            chunks=(1, 1, STRIDE_PX, STRIDE_PX),
        )
        array[:] = merged.numpy()
    written = {name: bytes_of(path) for name, path in stores.items() if path.exists()}
    return {
        "map": "store.zarr",
        "map_bytes": written["store"],
        "other_bytes": sum(written.values()) - written["store"],
    }


main(score_all)
