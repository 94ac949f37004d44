"""Memory and time of training networks for nuclei, and of what they say of labelled images."""

from collections.abc import Mapping

from microtome.planning.needs import Need

# By kind, of networks with the paper's feature maps: MB of weights, MB that a Mpx holds on its way
# through, s a Mpx. With a share of the maps, in each layer, they are in proportion to it or to its
# square.
_NETWORKS = {
    "crosswise": (130, 11000, 100.0),
    "nucleus_detector": (40, 2100, 24.0),
    "nucleus_classifier": (46, 2100, 26.0),
    "nucleus_segmenter": (10, 11000, 60.0),
}
_OTHERS = {"vgg16": (540, 2500, 8.0), "unet": (126, 4000, 22.0)}  # by network; not measured
# Without pooling maps are larger: so many times the memory and time.
_FULL_SIZE = {
    "crosswise": (1.4, 0.8),
    "nucleus_detector": (3.3, 1.2),
    "nucleus_classifier": (3.3, 1.2),
}
_PYTORCH_MB, _PYTORCH_S = 740, 15
# s a Mpx that does not follow the maps: reading, colours, batch norm of few maps.
_LEAST_S = 1.0
# Forward and backward, with validation; memory of gradients, momentum, best weights, checkpoint;
# and what is kept for the way back. Measured, as what is above, on one core, with all, 1/2 and 1/8
# of the maps.
_TRAINING_S, _TRAINING_WEIGHTS, _TRAINING_MB = 3.6, 5, 2.5
# Not measured on a GPU.
_GPU_TIMES, _CUDA_MB = 0.05, 3000
# An image's file holds its px compressed; labels are as large again as int32, a byte more each.
_PX_OF_A_FILE = 6
# Windows overlap by half.
_WINDOWS_OF_A_PX = 4
_CROPS = 25
# Trunk and detection branch alone: s of a Mpx, and MB by reduction, in windows of at most so many
# Mpx, U-Net's of more; and what does not follow the maps: s of a Mpx for reading and peaks, MB of
# each process that reads ahead.
_DETECTION_S, _DETECTION_MB, _WINDOW_MPX, _UNET_MPX = 30, {4: 1100, 1: 1800}, 2.9, 4.8
_LISTING_S, _READER_MB = 0.4, 60
# Outlines: Mpx of the parts of a window that a segmenter sees at a time, with their margins, and
# how often it computes a px; MB of a window, and s a Mpx, of regions and outlines.
_PART_MPX, _PARTS_OVERLAP = 0.5, 1.9
_OUTLINING_MB, _OUTLINING_S = 170, 3
# Classes: nuclei of tissue that is full of them; crops in a batch.
_NUCLEI_PER_MM2, _CROPS_AT_A_TIME = 6000, 16


def nucleus_training_need(entry: Mapping, *, image_mb: float, on_gpu: bool) -> Need:
    """What it takes to train the network of an entry, on windows of slides or of images.

    `image_mb` is the size of the files of labelled images; an autoencoder has none.
    """
    weights_mb, mb, s = _of_network(entry)
    patch_mpx = entry["patch_px"] ** 2 / 1e6
    settings = entry.get("pretraining") or entry["training"]
    held_mb = image_mb * _PX_OF_A_FILE
    mpx = held_mb / 3 * _WINDOWS_OF_A_PX
    if "patches" in settings:
        mpx = settings["patches"] * patch_mpx
        held_mb = settings["patches"] * 2e-5
    working = _CUDA_MB if on_gpu else _TRAINING_MB * mb * settings["batch"] * patch_mpx
    gpus = entry.get("gpus", 1)
    computing = mpx * settings["epochs"] * s * _TRAINING_S
    each = _PYTORCH_MB + _TRAINING_WEIGHTS * weights_mb + working + held_mb
    return Need(each * gpus, _PYTORCH_S + computing * (_GPU_TIMES / gpus if on_gpu else 1))


def image_prediction_need(entry: Mapping, *, image_mb: float, on_gpu: bool) -> Need:
    """What it takes to predict labelled images, whose files have `image_mb`; one is held."""
    weights_mb, mb, s = _of_network(entry)
    mpx = image_mb * _PX_OF_A_FILE / 3
    if entry["kind"] == "nucleus_classifier":
        mpx *= _CROPS
    working = _CUDA_MB if on_gpu else mb
    computing = mpx * s * (_GPU_TIMES if on_gpu else 1)
    return Need(_PYTORCH_MB + 2 * weights_mb + working, _PYTORCH_S + computing)


def detection_need(
    entry: Mapping, measured: Mapping[str, float], *, mpx: float, threads: int, on_gpu: bool
) -> Need:
    """What it takes to find nuclei in `mpx` of a slide, at the spacing of the network.

    `measured` is what `microtome.planning.needs.measure_work` gives for the slide.
    """
    width = entry["width"]
    weights_mb, _, _ = _of_network(entry)
    most_mpx = _UNET_MPX if entry.get("network") == "unet" else _WINDOW_MPX
    window = max(width, 0.1) * _DETECTION_MB[entry.get("reduction", 4)] * min(mpx, most_mpx)
    held = _PYTORCH_MB + 2 * weights_mb + _READER_MB * threads + 14 * measured["image"]
    computing = width**2 * _DETECTION_S * (_GPU_TIMES if on_gpu else 1) + _LISTING_S
    return Need(held + (_CUDA_MB if on_gpu else window), _PYTORCH_S + mpx * computing)


def outlining_need(
    entry: Mapping, measured: Mapping[str, float], *, mpx: float, threads: int, on_gpu: bool
) -> Need:
    """What it takes to outline the nuclei in `mpx` of a slide, at the spacing of the segmenter.

    `measured` is as in `detection_need`.
    """
    weights_mb, mb, s = _of_network(entry)
    working = _CUDA_MB if on_gpu else mb * _PART_MPX
    held = _PYTORCH_MB + 2 * weights_mb + _READER_MB * threads + 14 * measured["image"]
    computing = _PARTS_OVERLAP * s * (_GPU_TIMES if on_gpu else 1) + _OUTLINING_S
    return Need(held + working + _OUTLINING_MB * (1 + threads), _PYTORCH_S + mpx * computing)


def classification_need(
    entry: Mapping, measured: Mapping[str, float], *, mpx: float, threads: int, on_gpu: bool
) -> Need:
    """What it takes to classify the nuclei in `mpx` of a slide, at the spacing of the classifier.

    `measured` is as in `detection_need`.
    """
    weights_mb, mb, s = _of_network(entry)
    patch_mpx = entry["patch_px"] ** 2 / 1e6
    crops = _CROPS if entry.get("augmentation", {}).get("shift_px") else 1
    seen_mpx = mpx * entry["spacing_um"] ** 2 * _NUCLEI_PER_MM2 * crops * patch_mpx
    working = _CUDA_MB if on_gpu else mb * _CROPS_AT_A_TIME * patch_mpx
    held = _PYTORCH_MB + 2 * weights_mb + _READER_MB * threads + 14 * measured["image"]
    computing = seen_mpx * s * (_GPU_TIMES if on_gpu else 1) + mpx * _LISTING_S
    return Need(held + working + _OUTLINING_MB, _PYTORCH_S + computing)


def _of_network(entry: Mapping) -> tuple[float, float, float]:
    """MB of weights, MB and s a Mpx."""
    kind, network, width = entry["kind"], entry.get("network"), entry.get("width", 1.0)
    weights_mb, mb, s = _OTHERS.get(network) or _NETWORKS[kind]
    if entry.get("reduction") == 1 and network not in _OTHERS:
        times_mb, times_s = _FULL_SIZE.get(kind, (1, 1))
        mb, s = mb * times_mb, s * times_s
    return weights_mb * width**2, mb * width, s * width**2 + _LEAST_S
