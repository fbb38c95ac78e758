"""The HepMC3 library's own reader, as an independent judge of the text."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cloudchamber.events import Events
from cloudchamber.formats.hepmc import HepMCWriter

HEADER = Path("/usr/include/HepMC3/ReaderAscii.h")
PROGRAM = """
#include <cstdio>
#include "HepMC3/GenEvent.h"
#include "HepMC3/GenParticle.h"
#include "HepMC3/ReaderAscii.h"
int main(int, char** argv) {
  HepMC3::ReaderAscii reader(argv[1]);
  long events = 0, bad = 0;
  while (!reader.failed()) {
    HepMC3::GenEvent event;
    if (!reader.read_event(event) || reader.failed()) break;
    ++events;
    if (event.beams().size() != 2 || !event.cross_section()) ++bad;
    for (const auto& p : event.particles())
      if (p->status() == 1) std::printf("%d %a %a %a %a\\n", p->pid(), p->momentum().px(), p->momentum().py(),
                                        p->momentum().pz(), p->generated_mass());
  }
  reader.close();
  std::fprintf(stderr, "%ld %ld", events, bad);
}
"""


@pytest.mark.skipif(not HEADER.exists() or shutil.which("g++") is None, reason="needs g++ and Debian's libhepmc3-dev")
def test_reader_ascii_accepts_the_file(stable_events: Events, tmp_path: Path) -> None:
    source, program, path = tmp_path / "read.cc", tmp_path / "read", tmp_path / "a.hepmc3"
    source.write_text(PROGRAM)
    subprocess.run(["g++", "-O0", "-o", program, source, "-lHepMC3"], check=True, timeout=120)
    with HepMCWriter(path, stable_events.run) as writer:
        writer.write(stable_events)
    result = subprocess.run([program, path], check=True, capture_output=True, text=True, timeout=60)
    assert result.stderr == f"{len(stable_events)} 0"
    lines = [line.split() for line in result.stdout.splitlines() if line[:1] in "-0123456789"]
    assert [int(words[0]) for words in lines] == stable_events.flat("pdg_id").tolist()
    for place, name in enumerate(("px", "py", "pz", "mass"), 1):
        values = [float.fromhex(words[place]) for words in lines]
        assert np.array_equal(values, stable_events.flat(name).astype(np.float64))
