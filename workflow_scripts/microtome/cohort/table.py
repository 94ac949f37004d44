"""The table of all slides: which are used, and why the others are excluded."""

from microtome.cohort.exclusion import find_reason
from microtome.errors import InputError
from microtome.io.atomic import read_json
from microtome.logs import log

_MEASURED = ("vendor", "spacing_um", "width_px", "height_px", "tissue_mm2")


def list_slides(sheet: dict[str, dict], statuses: dict[str, list[str]]) -> list[dict]:
    """Make one row per slide, in the order of the sheet.

    `statuses` are the JSON files of each slide's steps, in the order of the steps. A row has
    ``slide``, ``split``, ``state`` ('ok' or 'excluded'), ``reason``, ``notes`` and what the steps
    measured.
    """
    rows = []
    for slide, row in sheet.items():
        reason = find_reason(statuses[slide])
        found: dict = {}
        notes: list[str] = []
        for path in statuses[slide]:
            status = read_json(path)
            notes += status.pop("notes", [])
            found = {**status, **found}
        if reason:
            log.warning("excluded: %s", reason)
        rows.append(
            {
                "slide": slide,
                "split": row.get("split", ""),
                "state": "excluded" if reason else "ok",
                "reason": reason,
                "notes": "; ".join(notes),
                **{name: found.get(name) for name in _MEASURED},
                "true_burden": found.get("burden"),
            }
        )
    return rows


def check_policy(rows: list[dict], bad_slides: str) -> None:
    """Raise InputError if `bad_slides` is 'stop' and a slide is excluded, or if none is left."""
    reasons = [row["reason"] for row in rows if row["reason"]]
    if bad_slides == "stop" and reasons:
        raise InputError(
            f"{len(reasons)} of {len(rows)} slides cannot be used and bad_slides is 'stop': "
            + "; ".join(reasons)
        )
    if len(reasons) == len(rows):
        raise InputError(f"none of the {len(rows)} slides can be used: " + "; ".join(reasons))
