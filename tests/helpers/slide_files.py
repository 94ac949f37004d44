"""Writers of tiny slides in every form that scanners and converters give them."""

from collections.abc import Collection, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import openslide
import tifffile
from PIL import Image

JPEG_2000_RGB, JPEG_2000_YCBCR = 33005, 33003
# How each way to store a tile is called here: (TIFF's compression, photometric, predictor).
STORAGE = {
    "jpeg rgb": (7, "rgb", False),
    "jpeg 4:4:4": (7, "ycbcr", False),
    "jpeg 4:2:2": (7, "ycbcr", False),
    "jpeg 4:2:0": (7, "ycbcr", False),
    "none": (1, "rgb", False),
    "lzw": (5, "rgb", False),
    "lzw predictor": (5, "rgb", True),
    "deflate": (8, "rgb", False),
    "deflate predictor": (8, "rgb", True),
    "zstd": (50000, "rgb", False),
    "zstd predictor": (50000, "rgb", True),
    "jpeg 2000": (JPEG_2000_RGB, "rgb", False),
    "jpeg 2000 standard": (34712, "rgb", False),
    "jpeg 2000 lossy": (33004, "rgb", False),
    "jpeg xr": (34934, "rgb", False),
    "jpeg xr ndpi": (22610, "rgb", False),
    "jpeg xl": (50002, "rgb", False),
    "jpeg xl dng": (52546, "rgb", False),
    "webp": (50001, "rgb", False),
    "webp old": (34927, "rgb", False),
    "lzma": (34925, "rgb", False),
    "lzma predictor": (34925, "rgb", True),
}
_BYTES = {
    1: bytes,
    5: imagecodecs.lzw_encode,
    8: imagecodecs.zlib_encode,
    34925: imagecodecs.lzma_encode,
    50000: imagecodecs.zstd_encode,
}
_PICTURES = {
    **dict.fromkeys((34934, 22610), lambda pixels: imagecodecs.jpegxr_encode(pixels, level=0.9)),
    **dict.fromkeys((50002, 52546), lambda pixels: imagecodecs.jpegxl_encode(pixels, level=90)),
    **dict.fromkeys((50001, 34927), lambda pixels: imagecodecs.webp_encode(pixels, level=90)),
}
_SUBSAMPLING = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2)}


def texture(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Draw something as smooth and as coloured as stained tissue."""
    rng = np.random.default_rng(seed)
    density = np.zeros((height, width, 2))
    for step, weight in ((64, 0.7), (16, 0.5), (5, 0.35), (2, 0.06)):
        shape = (height // step + 2, width // step + 2)
        for stain in range(2):
            coarse = rng.random(shape, np.float32)
            size = (shape[1] * step, shape[0] * step)
            density[..., stain] += weight * (_resized(coarse, size)[:height, :width] - 0.3)
    stains = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    light = 10 ** -(density.clip(0) @ stains * 0.5)
    return (245 * light).round().astype(np.uint8)


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC))


def jpeg(pixels: np.ndarray, storage: str, *, quality: int = 85) -> bytes:
    """Encode one tile as scanners do: the stream says nowhere how its colours are coded."""
    rgb = storage == "jpeg rgb"
    stream = imagecodecs.jpeg8_encode(
        np.ascontiguousarray(pixels),
        level=quality,
        colorspace="rgb",
        outcolorspace="rgb" if rgb else "ycbcr",
        subsampling="444" if rgb else storage.removeprefix("jpeg ").replace(":", ""),
    )
    kept = b"".join(part for kind, part in _segments(stream) if kind not in (0xE0, 0xEE))
    if rgb:  # The encoder calls the components R, G and B, which would tell; Aperio 0, 1 and 2.
        for old in (b"\x03R\x11\x00G\x11\x00B\x11\x00", b"\x03R\x00G\x00B\x00"):
            kept = kept.replace(old, old.translate(bytes.maketrans(b"RGB", b"\x00\x01\x02")))
    return kept


def _segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """The segments of a JPEG by the second byte of their marker; the last is all the rest."""
    yield 0xD8, stream[:2]
    at = 2
    while stream[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        yield stream[at + 1], stream[at:end]
        at = end
    yield 0xDA, stream[at:]


def without_tables(stream: bytes) -> tuple[bytes, bytes]:
    """Take a JPEG's tables out of it: TIFF's tag JPEGTables, and the stream without them."""
    tables, rest = b"", b""
    for kind, part in _segments(stream):
        if kind in (0xDB, 0xC4):
            tables += part
        else:
            rest += part
    return b"\xff\xd8" + tables + b"\xff\xd9", rest


def encoded(pixels: np.ndarray, storage: str) -> bytes:
    """One tile as it is stored."""
    compression, _, predictor = STORAGE[storage]
    if compression == 7:
        return jpeg(pixels, storage)
    if compression in (JPEG_2000_RGB, JPEG_2000_YCBCR, 33004, 34712):
        return imagecodecs.jpeg2k_encode(pixels, codecformat="J2K", level=45, mct=False)
    if compression in _PICTURES:
        return _PICTURES[compression](np.ascontiguousarray(pixels))
    if predictor:
        pixels = np.diff(pixels, axis=1, prepend=np.zeros_like(pixels[:, :1]))
    return _BYTES[compression](np.ascontiguousarray(pixels).tobytes())


def tiles_of(
    pixels: np.ndarray, tile: tuple[int, int], padding: int | None
) -> Iterator[np.ndarray]:
    """Cut a level into tiles, height and width of `tile`; beyond the edge its last px go on."""
    height, width = tile
    down, right = (-side % step for side, step in zip(pixels.shape, tile, strict=False))
    how = {"mode": "edge"} if padding is None else {"constant_values": padding}
    padded = np.pad(pixels, ((0, down), (0, right), (0, 0)), **how)
    for top in range(0, padded.shape[0], height):
        for left in range(0, padded.shape[1], width):
            yield padded[top : top + height, left : left + width]


def ome_description(
    width: int, height: int, *, x_um: str = "0.5", y_um: str = "0.5", unit: str | None = None
) -> str:
    """What an OME-TIFF says of one RGB image."""
    units = "" if unit is None else f' PhysicalSizeXUnit="{unit}" PhysicalSizeYUnit="{unit}"'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8"'
        f' SizeX="{width}" SizeY="{height}" SizeC="3" SizeZ="1" SizeT="1"'
        f' PhysicalSizeX="{x_um}" PhysicalSizeY="{y_um}"{units}>'
        '<Channel ID="Channel:0:0" SamplesPerPixel="3"/><TiffData IFD="0" PlaneCount="1"/>'
        "</Pixels></Image></OME>"
    )


def write_tiled(
    path: Path,
    pixels: np.ndarray,
    storage: str,
    *,
    tile: tuple[int, int] = (64, 64),
    downsamples: tuple[int, ...] = (1, 4),
    aperio: bool = True,
    padding: int | None = None,
    absent: Collection[tuple[int, int]] = (),
    tables: bool = True,
    resolution: tuple[float, float] | None = None,
    subifds: bool = False,
    description: str | None = None,
    **form: object,
) -> Path:
    """Write a tiled pyramid of pixels (height, width, 3), uint8, each tile as `STORAGE` has it.

    It says that Aperio made it, at 0.5 µm/px, or what its `description` does, and px per cm in x
    and y if it is given a `resolution`. Beyond the edge of the slide tiles hold `padding`, or
    the last px go on. Tiles that are `absent`, (level, tile), have offset and count 0. JPEG
    `tables` are kept once for all tiles, or in each. Coarser levels are pages of their own, or hang
    under the first as `subifds`. The `form`, bigtiff and byteorder, is for `tifffile.TiffWriter`.
    """
    compression, photometric, predictor = STORAGE[storage]
    height, width = pixels.shape[:2]
    with tifffile.TiffWriter(path, **form) as tiff:
        for number, by in enumerate(downsamples):
            whole = pixels[: height // by * by, : width // by * by]
            level = np.asarray(Image.fromarray(whole).reduce(by))
            streams = [encoded(part, storage) for part in tiles_of(level, tile, padding)]
            head = {}
            if compression == 7:
                # Else tifffile would call it YCbCr.
                head["compressionargs"] = {"outcolorspace": photometric}
                if photometric == "ycbcr":
                    head["subsampling"] = _SUBSAMPLING[storage.removeprefix("jpeg ")]
                if tables:
                    head["jpegtables"] = without_tables(streams[0])[0]
                    streams = [without_tables(stream)[1] for stream in streams]
            if resolution:
                head |= {"resolution": resolution, "resolutionunit": "CENTIMETER"}
            if subifds:
                head |= {"subifds": len(downsamples) - 1} if by == 1 else {}
            if not aperio and by > 1:
                head["subfiletype"] = 1
            text = description
            if text is None and aperio:
                size = "" if by == 1 else f" -> {level.shape[1]}x{level.shape[0]}"
                text = (
                    f"Aperio Image Library v12.0.0\r\n{width}x{height} [0,0 {width}x{height}]"
                    f" ({tile[1]}x{tile[0]}){size}|AppMag = 20|MPP = 0.5"
                )
            tiff.write(
                iter([b"" if (number, i) in absent else s for i, s in enumerate(streams)]),
                shape=level.shape,
                dtype=np.uint8,
                tile=tile,
                compression=compression,
                predictor=2 if predictor else None,
                photometric=photometric,
                planarconfig="contig",
                description=None if text is None else text.encode(),
                metadata=None,
                software=False,
                **head,
            )
    return path


def write_streams(path: Path, streams: list[bytes], *, shape: tuple[int, int, int], **options):
    """Write one level of 64 px tiles that hold the given bytes, as TIFF's options say."""
    tifffile.imwrite(
        path,
        iter(streams),
        shape=shape,
        dtype=np.uint8,
        tile=(64, 64),
        planarconfig="contig",
        metadata=None,
        **{"photometric": "rgb", **options},
    )


def by_openslide(path: Path, *, margin: int) -> list[np.ndarray]:
    """All levels as OpenSlide shows them, on white, with a white margin around them."""
    levels = []
    with openslide.OpenSlide(path) as slide:
        for level, (width, height) in enumerate(slide.level_dimensions):
            picture = slide.read_region((0, 0), level, (width, height))
            canvas = Image.new("RGB", (width + 2 * margin, height + 2 * margin), "white")
            canvas.paste(picture, (margin, margin), picture.getchannel("A"))
            levels.append(np.asarray(canvas))
    return levels


def write_scn(
    path: Path, pixels: np.ndarray, *, corner_px: tuple[int, int], slide_px: tuple[int, int]
) -> Path:
    """Write a slide of Leica, 0.5 µm/px: one scan of two levels, and the macro image around it."""
    size = pixels.shape[1::-1]
    images = ""
    # Lengths are nm; the first image, which is as large as the slide, is the macro image.
    for (width, height), (left, top), pages in (
        (slide_px, (0, 0), [(slide_px[0] // 8, slide_px[1] // 8)]),
        (size, corner_px, [size, (size[0] // 4, size[1] // 4)]),
    ):
        first = 0 if pages[0] != size else 1
        dimensions = "".join(
            f'<dimension sizeX="{x}" sizeY="{y}" r="{r}" ifd="{first + r}"/>'
            for r, (x, y) in enumerate(pages)
        )
        images += (
            '<image name="i"><creationDate>2020-01-01T00:00:00Z</creationDate>'
            f'<device model="m" version="1"/><pixels sizeX="{pages[0][0]}" sizeY="{pages[0][1]}">'
            f'{dimensions}</pixels><view sizeX="{500 * width}" sizeY="{500 * height}"'
            f' offsetX="{500 * left}" offsetY="{500 * top}"/><scanSettings><objectiveSettings>'
            "<objective>20</objective></objectiveSettings><illuminationSettings>"
            "<numericalAperture>0.4</numericalAperture>"
            "<illuminationSource>brightfield</illuminationSource>"
            "</illuminationSettings></scanSettings></image>"
        )
    description = (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection name="c" sizeX="{500 * slide_px[0]}" sizeY="{500 * slide_px[1]}">'
        f"<barcode>b</barcode>{images}</collection></scn>"
    )
    macro = np.full((slide_px[1] // 8, slide_px[0] // 8, 3), 240, np.uint8)
    small = pixels[: size[1] // 4 * 4 : 4, : size[0] // 4 * 4 : 4]
    options = {"tile": (64, 64), "photometric": "rgb", "metadata": None, "compression": "jpeg"}
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        file.write(macro, description=description, **options)
        file.write(pixels, resolution=(20000, 20000), resolutionunit="CENTIMETER", **options)
        file.write(small, **options)
    return path
