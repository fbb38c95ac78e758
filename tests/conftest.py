"""Samples that several tests share: small, made by Pythia8 with fixed seeds."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: the tests run in several processes

import pytest

from cloudchamber.events import Beams, Events, Level
from cloudchamber.simulate.pythia import DISSetting, simulate_shard

N_EVENTS = 300


def _simulate(level: Level) -> Events:
    return simulate_shard(DISSetting(Beams.parse("10x275"), 25.0, level=level), N_EVENTS, seed=11, shard=0)


@pytest.fixture(scope="session")
def stable_events() -> Events:
    return _simulate(Level.STABLE)


@pytest.fixture(scope="session")
def primary_events() -> Events:
    return _simulate(Level.PRIMARY)
