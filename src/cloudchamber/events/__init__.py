"""Events: jagged columns of particles with the metadata of the run they come from."""

from cloudchamber.events.events import Events
from cloudchamber.events.schema import Beams, Cuts, Level, ProtonBeams, RunInfo

__all__ = ["Beams", "Cuts", "Events", "Level", "ProtonBeams", "RunInfo"]
