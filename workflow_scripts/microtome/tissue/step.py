"""Step of one slide: write its tissue mask and overview."""

from pathlib import Path

from microtome.logs import log
from microtome.rasters.bands import count_true
from microtome.rasters.label_tiff import write_raster
from microtome.slides.inspection import open_inspected, read_inspected
from microtome.tissue.mask import find_tissue, require_tissue
from microtome.tissue.overview import read_overview, require_brightfield, write_picture


def make_tissue(
    *,
    name: str,
    slide_path: str | Path,
    inspected: str | Path,
    mask: str | Path,
    overview: str | Path,
    slide_settings: dict,
    tissue_settings: dict,
) -> dict:
    """Write the tissue mask and the overview of a slide, from its file and what `inspect` found.

    Gives ``tissue_mm2``, ``spacing_um`` of the mask, and ``notes``: what a person should look at.
    Raises InputError if the slide cannot be read, is no brightfield image, or has no tissue.
    """
    settings, notes = dict(tissue_settings), []
    info = read_inspected(inspected, slide_path=slide_path)
    with open_inspected(info, name=name, **slide_settings) as slide:
        pixels, scale = read_overview(slide, spacing_um=settings.pop("spacing_um"), beside=overview)
        spacing_um = slide.spacing_um * scale
    with pixels:
        require_brightfield(pixels.rows, pixels.shape, name=name)
        shape = pixels.shape[:2]
        places = {"spacing_um": spacing_um, "beside": mask}
        with find_tissue(pixels.rows, shape, tell=notes.append, **places, **settings) as found:
            tissue_px = count_true(found.rows, shape)
            require_tissue(tissue_px, name=name)
            write_raster(mask, found.rows, shape=shape, spacing_um=spacing_um)
        write_picture(overview, pixels.rows, pixels.shape)
    tissue_mm2 = float(tissue_px * spacing_um**2 / 1e6)
    percent = 100 * tissue_px / (shape[0] * shape[1])
    log.info("%s: %.2f mm² of tissue, %.0f %% of the slide", name, tissue_mm2, percent)
    for note in notes:
        log.warning("%s: %s", name, note)
    return {"tissue_mm2": tissue_mm2, "spacing_um": spacing_um, "notes": notes}
