import pytest

from cloudchamber.events import Beams, Events, Level
from cloudchamber.represent.cloud import CloudRepresentation
from cloudchamber.simulate.pythia import DISSetting, simulate_shard


@pytest.fixture(scope="session", params=[Level.PRIMARY, Level.STABLE], ids=str)
def sample(request: pytest.FixtureRequest) -> Events:
    return simulate_shard(DISSetting(Beams.parse("10x275"), 25.0, level=request.param), 3_000, seed=21, shard=0)


@pytest.fixture(scope="session")
def representation(sample: Events) -> CloudRepresentation:
    return CloudRepresentation.fit(sample)
