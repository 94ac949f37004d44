"""Times and counts in words."""

from datetime import datetime


def duration_text(seconds: float) -> str:
    """A length of time in its two largest units: ``5 h 28 min``, ``45 s``."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(minutes / 60)
    return f"{hours // 24} d {hours % 24} h"


def rate_text(per_s: float) -> str:
    """Jobs a minute, or an hour where they are few."""
    per_min = per_s * 60
    if per_min >= 100:
        return f"{per_min:.0f}/min"
    return f"{per_min:.1f}/min" if per_min >= 1 else f"{per_min * 60:.1f}/h"


def share_text(part: int, whole: int) -> str:
    """Percent, rounded down: 100 % is said only when all is done."""
    return f"{100 * part // whole if whole else 100} %"


def count_text(n: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 job``, ``2 jobs``."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def clock(t: float) -> str:
    """Time of day on this machine."""
    return f"{datetime.fromtimestamp(t).astimezone():%H:%M:%S}"


def day_and_clock(t: float) -> str:
    """Date and time on this machine."""
    return f"{datetime.fromtimestamp(t).astimezone():%Y-%m-%d %H:%M}"
