"""HepMC3 text (`.hepmc3`, `.hepmc`, either also with `.gz` or `.zst`), which the EIC's software takes in."""

from cloudchamber.formats.hepmc_read import iterate, iterate_records, read, read_run
from cloudchamber.formats.hepmc_write import HepMCWriter

__all__ = ["HepMCWriter", "iterate", "iterate_records", "read", "read_run"]
