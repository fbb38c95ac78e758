"""Events that a model of neutral currents was not trained on, in the form of those that it was.

`charged_current`: e- p -> nu X with Pythia8, where the neutrino is called the scattered electron. A W- is exchanged
instead of a photon, so another quark is struck (u instead of 4/9 u + 1/9 d + ...), and the hadrons have charge 0.
"""

from cloudchamber.events import Events
from cloudchamber.physics.dis import ELECTRON_MASS
from cloudchamber.simulate.pythia import DISSetting, final_state, new_pythia, shard_seed

__all__ = ["charged_current"]

_CHARGED = ("WeakBosonExchange:ff2ff(t:gmZ) = off", "WeakBosonExchange:ff2ff(t:W) = on")
_NEUTRINO, _ELECTRON = 12, 11


def charged_current(setting: DISSetting, n: int, *, seed: int) -> Events:
    """Charged-current events with the neutrino relabelled as the scattered electron, which stands first.

    Args:
        setting: beams, Q2 and level.
        n: number of events.
        seed: the user's seed.
    """
    settings = (*setting.settings(), *_CHARGED)
    record = new_pythia(settings, shard_seed(seed, 0)).nextBatch(n)
    events = final_state(record.prt, _NEUTRINO)
    first = events.offsets[:-1]
    columns = {name: events.flat(name).copy() for name in events.columns}
    columns["pdg_id"][first], columns["mass"][first] = _ELECTRON, ELECTRON_MASS
    run = setting.run_info(seed).with_(process="charged-current DIS, neutrino as electron", settings=settings)
    return Events.from_flat(events.counts, columns, events.weight, run)
