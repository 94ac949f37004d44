"""What submissions to challenges are made of, and what their scores come from."""

from collections.abc import Mapping

from microtome.cohort.node_checks import choose_staging_model
from microtome.cohort.scoring_checks import name_submissions
from microtome.errors import InputError
from microtome.planning.cohort import Cohort
from microtome.planning.staging import Staging

_STAGES = "camelyon17"
_CURVES = "camelyon16"  # whose scores are read off curves
# The files of a scored slide.
_PATTERNS = {
    "paip2019": (
        "results/submissions/paip2019/{model}/{slide}.tif",
        "results/burden/{model}/{slide}.json",
    ),
    "camelyon16": ("results/lesions/{model}/{slide}.csv",),
    "digestpath": ("results/submissions/digestpath/{model}/{slide}.png",),
}
# Outlines or masks of a slide of the demo cohort, as a challenge's organizers have them.
_TRUTHS = {"camelyon16": "asap.xml", "paip2019": "viable.tif", "digestpath": "viable.tif"}


class Submissions:
    """The submissions that a config asks for."""

    def __init__(self, cohort: Cohort, staging: Staging, config: Mapping) -> None:
        self._cohort = cohort
        self._models = cohort.models
        self._staging = staging
        self._config = config

    def archives(self) -> list[str]:
        """Name the submissions that the config asks for."""
        challenges = self._config["submissions"]
        found = [
            f"results/submissions/{challenge}/{model}.zip"
            for challenge in challenges
            if challenge != _STAGES
            for model in self._models.mapped
            if self._slides(model)
        ]
        if _STAGES in challenges:
            found.append(f"results/submissions/{_STAGES}/{choose_staging_model(self._config)}.zip")
        return found

    def models(self) -> str:
        """Write a pattern of the models that submit: each run, and the model that stages.

        With cross-validation that one is no run: each of its folds stages some nodes.
        """
        return "|".join(dict.fromkeys([*self._models.runs, choose_staging_model(self._config)]))

    def cases(self, challenge: str, model: str) -> list[str] | dict[str, list[str]]:
        """List what a submission must hold, excluded slides too: slides, or patients and theirs.

        Of patients those are left out that forests were trained on.
        """
        if challenge != _STAGES:
            return self._slides(model)
        return {
            patient: nodes
            for patient, nodes in self._staging.by_patient.items()
            if not any(self._staging.is_learnt(slide) for slide in nodes)
        }

    def _slides(self, model: str) -> list[str]:
        return [slide for slide in self._cohort.sheet if self._cohort.is_scored(slide, model)]

    def files(self, challenge: str, model: str) -> list[str]:
        """Name the files that a submission is made of, or its tables come from.

        Raises
        ------
        InputError
            If a submission of stages is asked for by a model that does not stage.
        """
        if challenge != _STAGES:
            patterns = _PATTERNS[challenge]
            return [path for one in patterns for path in self._cohort.of_scored(model, one)]
        staged_by = choose_staging_model(self._config)
        if model != staged_by:
            raise InputError(
                f"a submission to {_STAGES} comes from staging.model {staged_by}, not from {model}"
            )
        return ["results/staging/nodes.tsv", "results/staging/patients.tsv"]

    def inspected(self, challenge: str, model: str) -> list[str]:
        """Name what is known of the slides of a submission; of stages nothing is needed."""
        pattern = "results/slides/{slide}.json"
        return [] if challenge == _STAGES else self._cohort.of_scored(model, pattern)

    def networks(self, challenge: str, model: str) -> list[str]:
        """Name the weights behind a submission, and the forests."""
        if challenge != _STAGES:
            return self._models.weights_of_members(model)
        runs = dict.fromkeys(map(self._cohort.staging_run, self._staging.usable()))
        weights = [path for run in runs for path in self._models.weights_of_members(run)]
        forests = self._staging.forests()
        return [*weights, *([forests] if forests else [])]

    def config_of_results(self) -> dict:
        """Return the config, but for what has no bearing on a submission."""
        left_out = ("submissions", "scoring", "scratch_dir", "allow_cpu")
        return {key: part for key, part in self._config.items() if key not in left_out}

    def scores(self) -> list[str]:
        """Name the tables of scores that the config asks for, and the figures of curves.

        Raises
        ------
        InputError
            If it asks for none.
        """
        if not self._config["scoring"]:
            raise InputError(
                "config: scoring: is empty; give for instance --config"
                " 'scoring={camelyon17: {submission: mine.zip, truth: folder}}'"
            )
        tables = [f"results/scoring/{challenge}.tsv" for challenge in self._config["scoring"]]
        with_curves = self.scored(_CURVES) if _CURVES in self._config["scoring"] else []
        return tables + [f"results/scoring/{_CURVES}/{name}.png" for name in with_curves]

    def scored(self, challenge: str) -> list[str]:
        """Name the submissions to a challenge that are scored."""
        return list(self._paths(challenge))

    def scores_of(self, challenge: str) -> list[str]:
        """Name the scores of the submissions to a challenge."""
        return [f"results/scoring/{challenge}/{name}.json" for name in self.scored(challenge)]

    def submission(self, challenge: str, name: str) -> str:
        """Name the file or folder of a submission that is scored; an error if there is none."""
        paths = self._paths(challenge)
        if name not in paths:
            raise InputError(f"config: scoring: {challenge} has no submission {name}")
        return paths[name]

    def truth(self, challenge: str) -> str:
        """Name the folder of what a challenge is scored by."""
        return self._scoring(challenge)["truth"]

    def _paths(self, challenge: str) -> dict[str, str]:
        return name_submissions(self._scoring(challenge)["submission"])

    def _scoring(self, challenge: str) -> Mapping:
        if challenge not in self._config["scoring"]:
            raise InputError(f"config: scoring: has no {challenge}")
        return self._config["scoring"][challenge]


class DemoTruth:
    """The truth of the test slides of the demo cohort in `folder`, to score submissions by."""

    def __init__(self, cohort: Cohort, folder: str) -> None:
        self._cohort = cohort
        self._folder = folder

    def slides(self, challenge: str) -> list[str]:
        """List the slides that a challenge would score."""
        wants_nodes = challenge == _STAGES
        return [
            slide
            for slide, row in self._cohort.sheet.items()
            if row.get("split") == "test" and self._cohort.is_node(slide) == wants_nodes
        ]

    def files(self, challenge: str) -> list[str]:
        """Name their outlines or masks; of stages there are none."""
        kind = _TRUTHS.get(challenge)
        slides = self.slides(challenge) if kind else []
        return [f"{self._folder}/{slide}_{kind}" for slide in slides]

    def statuses(self, challenge: str) -> list[str]:
        """Name the reports that tell their tumour burden, where it is scored."""
        slides = self.slides(challenge) if challenge == "paip2019" else []
        return [f"results/truth/{slide}.json" for slide in slides]
