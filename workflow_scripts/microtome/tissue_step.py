"""The tissue mask of a slide, from file to files."""

from pathlib import Path

from PIL import Image

from microtome.files import atomic, read_json
from microtome.inspection import open_inspected
from microtome.logs import log
from microtome.rasters import write_array
from microtome.tissue import read_overview, require_brightfield, require_tissue, tissue_mask


def make_tissue(
    *,
    name: str,
    inspected: str | Path,
    mask: str | Path,
    overview: str | Path,
    slide_settings: dict,
    tissue_settings: dict,
) -> dict:
    """Write the tissue mask and the overview of a slide.

    Parameters
    ----------
    name : str
        The slide's id.
    inspected : str or Path
        What `inspect` found, JSON.
    mask, overview : str or Path
        The TIFF and the JPEG to write.
    slide_settings, tissue_settings : dict
        The config's sections ``slide`` and ``tissue``.

    Returns
    -------
    dict
        ``tissue_mm2``.

    Raises
    ------
    InputError
        If the slide cannot be read, is no brightfield image, or has no tissue.
    """
    settings = dict(tissue_settings)
    with open_inspected(read_json(inspected), name=name, **slide_settings) as slide:
        pixels, scale = read_overview(slide, spacing_um=settings.pop("spacing_um"))
        spacing_um = slide.spacing_at(scale)
    require_brightfield(pixels, name=name)
    found = tissue_mask(pixels, spacing_um=spacing_um, **settings)
    require_tissue(found, name=name)
    tissue_mm2 = float(found.sum() * spacing_um**2 / 1e6)
    log.info("%s: %.2f mm² of tissue, %.0f %% of the slide", name, tissue_mm2, 100 * found.mean())
    write_array(mask, found, spacing_um=spacing_um)
    with atomic(overview) as temporary:
        Image.fromarray(pixels).save(temporary, format="JPEG", quality=90)
    return {"tissue_mm2": tissue_mm2, "spacing_um": spacing_um}
