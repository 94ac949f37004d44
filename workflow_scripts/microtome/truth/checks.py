"""Checks of a ground truth for known faults of public data sets, band by band."""

import numpy as np

from microtome.errors import InputError
from microtome.truth.maps import Truth

# Share of the viable tumour that may lie outside the whole tumour: two drawings never fit exactly.
MAX_OUTSIDE = 0.001

# A given burden that differs more from that of the masks is noted (in PAIP 2019 eight do).
MAX_BURDEN_DIFFERENCE = 0.02


class TruthCheck:
    """Counts the px of all bands of a `Truth`, which are added one by one, and checks them."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self.viable_px = self.whole_px = self._both_px = 0

    def add(self, viable: np.ndarray, whole: np.ndarray) -> None:
        """Count a band, bool ndarrays of shape (n_rows, width) as from `Truth.rows`."""
        self.viable_px += int(np.count_nonzero(viable))
        self.whole_px += int(np.count_nonzero(whole))
        self._both_px += int(np.count_nonzero(viable & whole))

    def result(
        self, *, given_burden: float | None = None, label: str | None = None
    ) -> tuple[float | None, list[str]]:
        """Check the bands that were added against what the sheet says, burden and label.

        Returns the burden, viable over whole tumour, 0 if the label is 'negative', or None without
        a whole tumour; and what is odd but harmless, one line each, first the notes of the truth.
        Raises InputError if viable tumour lies outside the whole tumour, the two look swapped, or
        one of label and truth says that there is tumour and the other that there is none.
        """
        slide = self._truth.slide
        notes = list(self._truth.notes)
        if label is not None:
            self._refuse_label(label)
        burden = 0.0 if label == "negative" else None
        if self.viable_px == 0 and burden is None:
            notes.append(f"slide {slide}: the truth holds no viable tumour")
        if self._truth.has_whole and burden is None:
            self._refuse_outside()
            if self.whole_px:
                burden = self.viable_px / self.whole_px
            else:
                notes.append(f"slide {slide}: the truth holds no whole tumour, so it has no burden")
        if given_burden is not None:
            if burden is not None and abs(given_burden - burden) > MAX_BURDEN_DIFFERENCE:
                notes.append(
                    f"slide {slide}: the given burden is {given_burden:.3f}, "
                    f"that of the truth {burden:.3f}"
                )
            if burden is None and (given_burden > 0) != (self.viable_px > 0):
                notes.append(
                    f"slide {slide}: the given burden is {given_burden:.3f}, but the truth holds "
                    f"{self.viable_px} px of viable tumour"
                )
        return burden, notes

    def _refuse_label(self, label: str) -> None:
        tumour_px = max(self.viable_px, self.whole_px)
        if (label == "negative") == (tumour_px > 0):
            raise InputError(
                f"slide {self._truth.slide}: its label is {label}, but its truth holds "
                f"{tumour_px or 'no'} px of tumour; correct the label, or the annotation or mask"
            )

    def _refuse_outside(self) -> None:
        slide = self._truth.slide
        viable_outside = self.viable_px - self._both_px
        whole_outside = self.whole_px - self._both_px
        if viable_outside <= MAX_OUTSIDE * self.viable_px:
            return
        if self.whole_px and whole_outside <= MAX_OUTSIDE * self.whole_px:
            raise InputError(
                f"slide {slide}: viable and whole masks look swapped: whole lies inside viable"
            )
        share = viable_outside / self.viable_px
        raise InputError(
            f"slide {slide}: {share:.2%} of the viable tumour lies outside the whole tumour"
        )
