"""TIAToolbox: read_rect at the wanted µm/px."""

from common import PATCH_PX, Job, main
from tiatoolbox.wsicore.wsireader import WSIReader


def read_all(job: Job) -> None:
    """Read all patches, in one thread: its reader has no other way."""
    reader = WSIReader.open(job.slide)
    for x, y in job.corners.tolist():
        job.take(
            reader.read_rect((x, y), (PATCH_PX, PATCH_PX), resolution=job.spacing_um, units="mpp")
        )


main(read_all)
