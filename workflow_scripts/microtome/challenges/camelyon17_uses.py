"""What the slides of CAMELYON17 and CAMELYON16 are used for: by networks, or by forests."""

from collections.abc import Mapping, Sequence

from microtome.challenges.camelyon17_sheet import COLUMNS

# CAMELYON16 may have masks where there are no outlines.
WITH_CAMELYON16 = (*COLUMNS[:-1], "viable_mask", COLUMNS[-1])


def part_patients(
    rows: Sequence[Mapping[str, str]],
) -> tuple[list[dict[str, str]], list[str]]:
    """Give the patients with outlines to the networks, and the others to the forests.

    Of the first the outlined slides stay, without node, so they are not staged; of their other
    slides a note says how many are left out. Of the others with labels no network learns: they
    have no split. Slides that test stay as they are.

    Parameters
    ----------
    rows : sequence of dict
        From `microtome.challenges.camelyon17_sheet.make_camelyon17_sheet`.

    Examples
    --------
    >>> row = {"patient": "p", "node": "0", "split": "train", "annotation": "", "label": "itc"}
    >>> outlined = {**row, "node": "1", "annotation": "p.xml"}
    >>> rows, notes = part_patients([row, outlined, {**row, "patient": "q"}])
    >>> [(row["patient"], row["node"], row["split"]) for row in rows]
    [('p', '', 'train'), ('q', '0', '')]
    >>> notes[0].partition(": ")[0]
    '1 patients teach the networks and are not staged'
    """
    taught = {row["patient"] for row in rows if row["annotation"] and row["split"] == "train"}
    parted: list[dict[str, str]] = []
    n_left_out = 0
    for row in rows:
        if row["split"] != "train":
            parted.append(dict(row))
        elif row["patient"] not in taught:
            parted.append({**row, "split": ""})
        elif row["annotation"]:
            parted.append({**row, "node": ""})
        else:
            n_left_out += 1
    notes = [
        f"{len(taught)} patients teach the networks and are not staged: their {n_left_out} slides"
        " without outlines are left out"
    ]
    return parted, notes * bool(taught)


def add_camelyon16(
    rows: Sequence[Mapping[str, str]], others: Sequence[Mapping[str, str]]
) -> list[dict[str, str]]:
    """Add the slides of CAMELYON16 of which px are known, for networks alone: all of them train.

    `rows` are those of CAMELYON17; `others` come from
    `microtome.challenges.camelyon16_sheet.make_camelyon16_sheet`. The result has cells under
    `WITH_CAMELYON16`.
    """
    known = [row for row in others if row["annotation"] or row["viable_mask"] or row["label"]]
    empty = dict.fromkeys(WITH_CAMELYON16, "")
    return [*(empty | row for row in rows), *(empty | row | {"split": "train"} for row in known)]
