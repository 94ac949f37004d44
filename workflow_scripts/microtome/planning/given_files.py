"""Which files of sheet and config a job reads that people made, and what these are now.

As params of the rules that read them: Snakemake itself sees only files that are newer than results.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from microtome.cohort.scoring_checks import name_submissions
from microtome.io.given_files import identify, identify_unnoted
from microtome.planning.cohort import Cohort


class GivenFiles:
    """The files that no rule makes; `made_here` are the folders of those that one does.

    All methods give states by path, which `microtome.io.given_files` explains. A job compares
    nothing: without `is_driver` no file is looked at, and states are empty.
    """

    def __init__(
        self, cohort: Cohort, config: Mapping, *, made_here: Sequence[str], is_driver: bool
    ) -> None:
        self._cohort = cohort
        self._config = config
        self._made_here = made_here
        self._is_driver = is_driver
        self._once = cache(identify_unnoted)  # the same weights for thousands of slides

    def of_slide(self, slide: str, columns: Sequence[str], step: str) -> dict[str, str]:
        """Identify the files in some cells of a row by what `step` noted of them in its status."""
        paths = self._cohort.cells(slide, columns).values()
        noted = _read_notes(f"results/{step}/{slide}.json") if self._is_driver else {}
        return self._identified(paths, lambda path: identify(path, noted.get(path)))

    def of_model(self, model: str) -> dict[str, str]:
        """Identify the weights that the networks behind a model are given, or start from."""
        runs = self._cohort.models.runs
        members = self._cohort.models.members(model)
        starts = [runs[member].start for member in members if runs[member].start]
        entries = [runs[name].entry for name in (*members, *starts)]
        named = [entry.get(key, "none") for entry in entries for key in ("weights", "pretrained")]
        return self._identified([path for path in named if path not in ("none", "hub")], self._once)

    def forests(self) -> dict[str, str]:
        """Identify the forests that are given."""
        return self._identified(filter(None, [self._config["staging"]["forests"]]), self._once)

    def of_scoring(self, challenge: str, submission: str) -> dict[str, str]:
        """Identify the submission of this name that is scored, and the truth."""
        section = self._config["scoring"].get(challenge, {"submission": [], "truth": ""})
        path = name_submissions(section["submission"]).get(submission)
        return self._identified([path, section["truth"]] if path else [], self._once)

    def _identified(self, paths: Iterable[str], state: Callable[[str], str]) -> dict[str, str]:
        return {
            path: state(path) if self._is_driver else ""
            for path in paths
            if not any(Path(path).is_relative_to(folder) for folder in self._made_here)
        }


def _read_notes(status: str) -> dict[str, dict]:
    """Read what a step noted of the files it was given; empty before it has run."""
    try:
        return json.loads(Path(status).read_text()).get("given", {})
    except (OSError, ValueError):
        return {}
