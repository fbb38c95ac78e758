"""Cloud Chamber: generative models for collider events, made for the Electron-Ion Collider.

    import cloudchamber

    events = cloudchamber.load("ep-dis-10x275").sample(10_000, seed=1)
    events.particles.pt          # an Awkward array with the behaviours of `vector`

Importing the package costs little: what needs torch, Pythia8 or matplotlib is imported when it is used.
"""

from typing import TYPE_CHECKING, Any

from cloudchamber.errors import InputError

if TYPE_CHECKING:
    from cloudchamber.events import Beams, Events, RunInfo
    from cloudchamber.formats.files import read
    from cloudchamber.recipes.assisted import AssistedSampler
    from cloudchamber.recipes.generation import load

__version__ = "0.1.0"
__all__ = ["AssistedSampler", "Beams", "Events", "InputError", "RunInfo", "load", "read"]

_LAZY = {
    "AssistedSampler": "cloudchamber.recipes.assisted",
    "Beams": "cloudchamber.events",
    "Events": "cloudchamber.events",
    "RunInfo": "cloudchamber.events",
    "load": "cloudchamber.recipes.generation",
    "read": "cloudchamber.formats.files",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name when it is first used.

    Args:
        name: the name.

    Raises:
        AttributeError: if there is no such name.
    """
    if name not in _LAZY:
        raise AttributeError(f"module 'cloudchamber' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
