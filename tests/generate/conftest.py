import sys
from pathlib import Path

import pytest

from cloudchamber.events import Beams, Events, Level
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

sys.path.insert(0, str(Path(__file__).parent))  # for toy_cascade


@pytest.fixture(scope="session")
def primary_sample() -> Events:
    return simulate_shard(DISSetting(Beams.parse("10x275"), 25.0, level=Level.PRIMARY), 2_000, seed=31, shard=0)


@pytest.fixture(scope="session")
def primary_representation(primary_sample: Events) -> CloudRepresentation:
    return CloudRepresentation.fit(primary_sample)
