"""Scores of a submission against a folder of truth, each from its own files alone."""

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from microtome.challenges.camelyon16_truth import (
    SCALE_PX,
    find_truth_files,
    fold_name,
    read_lesions,
    read_reference,
)
from microtome.challenges.froc import SlideHits, match_detections
from microtome.challenges.mask_overlap import (
    IMAGE_SUFFIXES,
    TIFF_SUFFIXES,
    Overlap,
    compare_masks,
)
from microtome.challenges.paip2019_truth import read_paip2019_truth
from microtome.challenges.scored_files import DETECTIONS, SubmissionFiles, open_submission
from microtome.challenges.scored_tables import (
    BURDENS,
    PROBABILITIES,
    index_stages,
    read_burdens,
    read_detections,
    read_patients,
    read_probabilities,
)
from microtome.challenges.scores import (
    Scored,
    score_camelyon16,
    score_camelyon17,
    score_digestpath,
    score_paip2019,
)
from microtome.errors import InputError, one_line
from microtome.io.csv_cells import read_lines, select_columns


def score_submission(challenge: str, *, submission: str | Path, truth: str | Path) -> Scored:
    r"""Score a submission as the organizers would.

    Parameters
    ----------
    challenge : str
        ``paip2019``, ``camelyon16``, ``camelyon17`` or ``digestpath``.
    submission : str or Path
        A folder, or a `.zip`:

        - PAIP 2019: ``<case>.tif``, and ``prediction.csv`` (``wsi_id,ratio``, in percent), without
          which only task 1 is scored;
        - CAMELYON16: ``probabilities.csv`` (``name,probability``, the header optional), or
          ``detections/<name>.csv`` (``confidence,x,y`` in level-0 px, the header optional), or
          both, of which what is there is scored;
        - CAMELYON17: ``submission.csv``, or one CSV of another name (``patient,stage``);
        - DigestPath: one mask an image, ``<image>.png``, also TIFF or JPEG.
    truth : str or Path
        A folder:

        - PAIP 2019: TIFFs whose names hold the case and ``viable``, and CSVs with ``wsi_id`` and
          ``pixel ratio``;
        - CAMELYON16: ``reference.csv`` of all slides, and for those with tumour
          ``<name>.xml``, ``<name>_mask.tif`` or ``<name>.tif``;
        - CAMELYON17: CSVs with ``patient`` and ``stage``;
        - DigestPath: ``<image>_mask`` or ``<image>``, PNG, TIFF or JPEG.

    Returns
    -------
    summary : dict
        As the functions of `microtome.challenges.scores` give it; ``notes`` says what was not there
        or not looked at.
    rows : list of dict
        One a case.

    Raises
    ------
    InputError
        The challenge is unknown, or a file is missing or wrong.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "submission.csv").write_text("patient,stage\npatient_100,pN1\n")
    ...     scores, cases = score_submission("camelyon17", submission=folder, truth=folder)
    >>> cases
    [{'patient': 'patient_100', 'stage': 'pN1', 'true_stage': 'pN1', 'right': 1}]
    """
    if challenge not in _SCORERS:
        raise InputError(f"{one_line(challenge)!r} is no challenge; known: {', '.join(CHALLENGES)}")
    folder = Path(truth)
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder; give the one that holds the truth")
    with open_submission(submission) as source:
        return _SCORERS[challenge](source, folder)


def _score_paip2019(source: SubmissionFiles, folder: Path) -> Scored:
    masks, true_burdens = read_paip2019_truth(folder)
    submitted = _find_masks(source, TIFF_SUFFIXES)
    notes, burdens = [], {}
    if BURDENS in source.names:
        burdens = read_burdens(source)
    else:
        notes.append(f"{BURDENS} is not there, so task 2 is not scored")
    if no_truth := sorted(set(masks) - set(true_burdens)):
        notes.append(f"the truth has no burden of: {', '.join(no_truth)}")
    overlaps = _compare_all(source, submitted, masks)
    summary, rows = score_paip2019(overlaps, burdens, true_burdens)
    return _add_notes(summary, notes, {*submitted, *burdens} - set(masks)), rows


def _score_camelyon16(source: SubmissionFiles, folder: Path) -> Scored:
    is_tumour = read_reference(folder / "reference.csv")
    tables: dict[str, str] = {}
    for name in source.names:
        path = PurePosixPath(name)
        if path.parts[:-1] == (DETECTIONS,) and path.suffix.lower() == ".csv":
            _enter(source, tables, fold_name(path.stem), name, "the same slide")
    probabilities = read_probabilities(source) if PROBABILITIES in source.names else None
    if probabilities is None and not tables:
        raise InputError(
            f"{source.path}: holds neither {PROBABILITIES} nor {DETECTIONS}/<name>.csv"
        )
    notes = []
    hits: dict[str, SlideHits] | None = None
    if probabilities is None:
        notes.append(f"{PROBABILITIES} is not there, so the AUC is not scored")
    if not tables:
        notes.append(f"{DETECTIONS} is not there, so the FROC is not scored")
    else:
        hits = _match_all(source, folder, tables, is_tumour)
        if missing := sorted(set(is_tumour) - set(tables)):
            notes.append(f"no table of detections, so none, of: {', '.join(missing)}")
    summary, rows = score_camelyon16(is_tumour, probabilities=probabilities, hits=hits)
    return _add_notes(summary, notes, {*tables, *(probabilities or ())} - set(is_tumour)), rows


def _match_all(
    source: SubmissionFiles, folder: Path, tables: dict[str, str], is_tumour: dict[str, bool]
) -> dict[str, SlideHits]:
    # All tables first: a mistake in the last should not cost the masks of all slides.
    detections = {
        slide: read_detections(source, tables[slide]) if slide in tables else []
        for slide in is_tumour
    }
    files = find_truth_files(folder)
    hits = {}
    for slide, found in detections.items():
        lesions = read_lesions(slide, files) if is_tumour[slide] else ()
        hits[slide] = match_detections(found, *lesions, scale_px=SCALE_PX)
    return hits


def _score_camelyon17(source: SubmissionFiles, folder: Path) -> Scored:
    of_truth = []
    for path in sorted(folder.glob("*.csv")):
        lines = read_lines(path)
        if lines and {"patient", "stage"} <= {cell.casefold() for cell in lines[0].cells}:
            of_truth += select_columns(lines, "patient", "stage", shown=str(path))
    truth = index_stages(of_truth)
    if not truth:
        raise InputError(f"{folder}: holds no CSV with patient,stage and rows of patients")
    submitted = read_patients(source)
    summary, rows = score_camelyon17(submitted, truth)
    return _add_notes(summary, [], set(submitted) - set(truth)), rows


def _score_digestpath(source: SubmissionFiles, folder: Path) -> Scored:
    suffixes = TIFF_SUFFIXES + IMAGE_SUFFIXES
    plain: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        image = path.stem.removesuffix("_mask")
        of_kind = plain if image == path.stem else masks
        if image in of_kind:
            raise InputError(f"{path}: {of_kind[image]} is its truth as well; remove one")
        of_kind[image] = path
    truth = plain | masks  # of an image that has both, the plain one is the picture
    if not truth:
        raise InputError(f"{folder}: holds no masks, as <image>_mask.png")
    submitted = _find_masks(source, suffixes)
    summary, rows = score_digestpath(_compare_all(source, submitted, truth))
    return _add_notes(summary, [], set(submitted) - set(truth)), rows


def _find_masks(source: SubmissionFiles, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Pair the files at the top of the submission with the cases they are named after."""
    found: dict[str, str] = {}
    for name in source.names:
        path = PurePosixPath(name)
        if len(path.parts) == 1 and path.suffix.lower() in suffixes:
            _enter(source, found, path.stem, name, "the same case; remove one")
    return found


def _enter(source: SubmissionFiles, found: dict[str, str], key: str, name: str, of: str) -> None:
    if key in found:
        raise InputError(f"{source.describe(name)}: {found[key]} is of {of}")
    found[key] = name


def _compare_all(
    source: SubmissionFiles, submitted: dict[str, str], truth: dict[str, Path]
) -> dict[str, Overlap | None]:
    overlaps: dict[str, Overlap | None] = dict.fromkeys(truth)
    for case in sorted(set(submitted) & set(truth)):
        with source.open_file(submitted[case]) as path:
            overlaps[case] = compare_masks(path, truth[case])
    return overlaps


def _add_notes(summary: dict, notes: list[str], unknown: Iterable[str]) -> dict:
    """Add what is odd about a submission to its scores."""
    strange = [f"{one_line(name)}: is not in the truth" for name in sorted(unknown)]
    return summary | {"notes": notes + strange}


_SCORERS: dict[str, Callable[[SubmissionFiles, Path], Scored]] = {
    "camelyon16": _score_camelyon16,
    "camelyon17": _score_camelyon17,
    "digestpath": _score_digestpath,
    "paip2019": _score_paip2019,
}
CHALLENGES = tuple(_SCORERS)
