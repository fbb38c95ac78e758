import pytest

from cloudchamber.events import Events
from cloudchamber.recipes.generation import Generator, load

SHIPPED = ("ep-dis-10x275", "ep-dis-10x275-stable")


@pytest.fixture(scope="session", params=SHIPPED)
def shipped(request: pytest.FixtureRequest) -> Generator:
    return load(request.param)


@pytest.fixture(scope="session")
def generated(shipped: Generator) -> Events:
    """Events as a user gets them, made with few calls: no law may depend on the quality of the networks."""
    return shipped.sample(768, seed=3, calls=2)


@pytest.fixture(scope="session")
def undecayed(shipped: Generator) -> Events:
    """The same events as the model leaves them."""
    return shipped.sample(768, seed=3, calls=2, decay=False)
