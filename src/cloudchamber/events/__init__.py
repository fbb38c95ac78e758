"""Events: jagged columns of particles, or of hits in a calorimeter, with the metadata of the run they come from."""

from cloudchamber.events.events import Events
from cloudchamber.events.geometry import Cells, Geometry
from cloudchamber.events.merging import Merging
from cloudchamber.events.schema import Beams, Cuts, Level, ProtonBeams, RunInfo, exact
from cloudchamber.events.showers import Showers

__all__ = [
    "Beams", "Cells", "Cuts", "Events", "Geometry", "Level", "Merging", "ProtonBeams", "RunInfo", "Showers", "exact",
]  # fmt: skip
