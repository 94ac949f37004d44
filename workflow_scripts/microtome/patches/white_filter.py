"""The white filter: patches that are mostly white are neither learnt from nor counted."""

from collections.abc import Iterable

import numpy as np

# Bytes per step: few enough that results stay in the CPU's cache, and enough that the cost of a
# call of NumPy does not matter. 192 bytes are 64 pixels, whose bits are 3 words.
_BLOCK = 192 * 2**10
_HALF_BLOCK = _BLOCK // 2
_FIRST_OF_THREE = np.packbits(np.tile([True, False, False], _BLOCK // 3), bitorder="little").view(
    "<u8"
)
_1, _2, _62, _63 = np.array([1, 2, 62, 63], np.uint64)


def is_kept(pixels: np.ndarray, *, white_from: int, max_white_fraction: float) -> np.ndarray:
    """Tell which patches are not mostly white, by the rule of HistoCAE's authors.

    A pixel with R, G and B all from `white_from` on is white. A patch is kept if its share of white
    pixels is below `max_white_fraction`. Patches are RGB, (n, height, width, 3), uint8, each
    C-contiguous; the result is an ndarray of shape (n,), bool.

    Examples
    --------
    >>> patches = np.stack([np.full((8, 8, 3), grey, np.uint8) for grey in (255, 120)])
    >>> is_kept(patches, white_from=210, max_white_fraction=0.7)
    array([False,  True])
    """
    if white_from > 255:
        return np.full(len(pixels), max_white_fraction > 0)
    rule = white_from, max_white_fraction, np.empty(_BLOCK, bool)
    flat = (patch.reshape(-1) for patch in pixels)
    kept = [_is_mostly_dark(p, *rule) or _white_share(p, *rule) < max_white_fraction for p in flat]
    return np.array(kept, bool)


def white_shares(patches: Iterable[np.ndarray], *, white_from: int) -> np.ndarray:
    """Measure the share of white pixels in each patch, as `is_kept` counts them.

    Patches are RGB, (height, width, 3), uint8; the result is an ndarray of shape (n,), float32.

    Examples
    --------
    >>> patch = np.full((2, 2, 3), 255, np.uint8)
    >>> patch[0, 0, 1] = 209
    >>> white_shares([patch], white_from=210)
    array([0.75], dtype=float32)
    """
    scratch = np.empty(_BLOCK, bool)
    flat = (patch.reshape(-1) for patch in patches)
    return np.array([_white_share(p, white_from, np.inf, scratch) for p in flat], np.float32)


def _is_mostly_dark(flat: np.ndarray, white_from: int, most: float, scratch: np.ndarray) -> bool:
    """Test quickly whether so many bytes are dark that a patch is kept wherever they lie."""
    area = len(flat) // 3
    n_dark = 0
    for first in range(0, len(flat), _HALF_BLOCK):
        part = flat[first : first + _HALF_BLOCK]
        n_dark += np.count_nonzero(np.less(part, white_from, out=scratch[: len(part)]))
        # A pixel that is not white has one dark byte, two or three.
        if (area - -(-n_dark // 3)) / area < most:
            return True
    return False


def _white_share(flat: np.ndarray, white_from: int, most: float, scratch: np.ndarray) -> float:
    """Count the white pixels, until they are the share that is too much."""
    area = len(flat) // 3
    n_white = 0
    for first in range(0, len(flat), _BLOCK):
        part = flat[first : first + _BLOCK]
        np.greater_equal(part, white_from, out=scratch[: len(part)])
        n_white += _n_triples(scratch, len(part))
        if n_white / area >= most:
            break
    return n_white / area


def _n_triples(light: np.ndarray, n: int) -> int:
    """Of `n` bytes, three a pixel, count the pixels whose bytes are all true."""
    end = -(-n // 192) * 192
    light[n:end] = False
    word = np.packbits(light[:end], bitorder="little").view("<u8")
    # Each bit and the two after it, which may be in the next word; of these, the pixels' own.
    one_on, two_on = word >> _1, word >> _2
    one_on[:-1] |= word[1:] << _63
    two_on[:-1] |= word[1:] << _62
    word &= one_on
    word &= two_on
    word &= _FIRST_OF_THREE[: len(word)]
    return int(np.bitwise_count(word).sum(dtype=np.int64))
