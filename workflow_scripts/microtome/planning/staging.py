"""Lymph nodes and patients: which are staged, by which heatmaps and forests."""

from collections.abc import Mapping
from functools import cached_property

from microtome.cohort.mistakes import suggest
from microtome.errors import InputError
from microtome.planning.cohort import Cohort
from microtome.planning.overlap import find_overlap


class Staging:
    """The lymph nodes of a cohort, and the patients they are of."""

    def __init__(self, cohort: Cohort, config: Mapping) -> None:
        self._cohort = cohort
        self._sheet = cohort.sheet
        self._given_forests = config["staging"]["forests"]

    @cached_property
    def by_patient(self) -> dict[str, list[str]]:
        """The nodes of each patient, excluded ones too, in the sheet's order."""
        found: dict[str, list[str]] = {}
        for slide, row in self._sheet.items():
            if "node" in row:
                found.setdefault(row["patient"], []).append(slide)
        return found

    def usable(self) -> list[str]:
        """List the nodes that no step excluded."""
        return [slide for slide in self._cohort.usable() if self._cohort.is_node(slide)]

    def usable_of(self, patient: str) -> list[str]:
        """List the usable nodes of a patient."""
        if patient not in self.by_patient:
            meant = suggest(patient, self.by_patient)
            raise InputError(f"patient {patient} has no lymph node in the slide sheet{meant}")
        return self._cohort.only_usable(self.by_patient[patient])

    def of_patient(self, patient: str, pattern: str) -> list[str]:
        """Name a file for each usable node of a patient; `model` is the run that stages it."""
        run = self._cohort.staging_run
        return [pattern.format(model=run(s), slide=s) for s in self.usable_of(patient)]

    def features(self) -> list[str]:
        """Name the features of all usable nodes."""
        path = "results/features/{}/{}.json"
        return [path.format(self._cohort.staging_run(slide), slide) for slide in self.usable()]

    def rows(self) -> dict[str, dict]:
        """Return what the sheet says of all nodes, excluded ones too."""
        columns = ("patient", "node", "split", "label")
        return {
            slide: {column: self._sheet[slide].get(column, "") for column in columns}
            for slide in self._sheet
            if self._cohort.is_node(slide)
        }

    def annotated(self) -> list[str]:
        """List the nodes whose tumour is outlined, or that have none."""
        cohort = self._cohort
        return [s for s in self._sheet if cohort.is_node(s) and cohort.is_annotated(s)]

    def known_to_networks(self) -> list[str]:
        """List the patients with labels that networks of their own heatmaps have learned from."""
        return find_overlap(self._cohort)

    def is_learnt(self, slide: str) -> bool:
        """Say whether forests are trained on a node."""
        row = self._sheet[slide]
        return "label" in row and row.get("split") != "test"

    def trains_forests(self) -> bool:
        """Say whether forests are trained here: none are given, and labels can be told apart."""
        labels = {self._sheet[s]["label"] for s in self.usable() if self.is_learnt(s)}
        return self._given_forests is None and len(labels) > 1

    def if_trained(self, path: str) -> str | list:
        """Name a file that is made where forests are trained."""
        return path if self.trains_forests() else []

    def forests(self) -> str | list:
        """Name the forests that classify the nodes; none where there are none to train."""
        return self.if_trained("results/staging/forests.safetensors") or self._given_forests or []

    def results(self) -> list[str]:
        """Name tables of nodes and stages and pictures of patients, where there are nodes."""
        usable = set(self.usable())
        figures = [
            f"results/figures/patients/{patient}.png"
            for patient, nodes in self.by_patient.items()
            if not usable.isdisjoint(nodes)
        ]
        tables = ["results/staging/patients.tsv", "results/staging/staging.png"]
        return (tables + figures) if usable else []
