"""Invariant masses of pairs, where resonances stand out, and what is left of them without chance pairs."""

import numpy as np
from matplotlib.figure import Figure

from cloudchamber.evaluate.event_view import PairKind
from cloudchamber.evaluate.figures.comparison import Comparison, Shared
from cloudchamber.evaluate.figures.panels import Panel, draw_panels
from cloudchamber.evaluate.sample import Column

__all__ = ["masses", "masses_without_background"]

_GAMMA = (PairKind((22,), (22,)),)
_PI_PI = (PairKind((211,), (-211,)),)
_K_PI = (PairKind((321,), (-211,)), PairKind((-321,), (211,)))
_P_PI = (PairKind((2212,), (-211,)), PairKind((-2212,), (211,)))
_K_K = (PairKind((321,), (-321,)),)
_RAW = (
    (_GAMMA, (0.0, 0.8, 160), r"$m(\gamma\gamma)$  [GeV]", True),
    (_GAMMA, (0.1300, 0.1400, 40), r"$m(\gamma\gamma)$ at the $\pi^0$  [GeV]", True),
    (_PI_PI, (0.25, 1.45, 80), r"$m(\pi^{+}\pi^{-})$  [GeV]", False),
    (_K_PI, (0.6, 1.5, 60), r"$m(K^{\pm}\pi^{\mp})$  [GeV]", False),
    (_P_PI, (1.05, 1.8, 50), r"$m(p\,\pi^{-})$ and charge conjugate  [GeV]", False),
    (_K_K, (0.98, 1.25, 54), r"$m(K^{+}K^{-})$  [GeV]", False),
)
_ALIKE = (
    (_PI_PI, (PairKind((211,), (211,)), PairKind((-211,), (-211,))), (0.25, 1.45, 60),
     r"$m(\pi^{+}\pi^{-})$  [GeV]"),
    (_K_PI, (PairKind((321,), (211,)), PairKind((-321,), (-211,))), (0.6, 1.5, 45), r"$m(K^{\pm}\pi^{\mp})$  [GeV]"),
    (_K_K, (PairKind((321,), (321,)), PairKind((-321,), (-321,))), (0.98, 1.25, 36), r"$m(K^{+}K^{-})$  [GeV]"),
)  # fmt: skip


def masses(comparison: Comparison) -> Figure:
    """Invariant masses of pairs.

    Args:
        comparison: what to draw.
    """
    few = comparison.few
    found = {kinds: few.masses(*kinds) for kinds, *_ in _RAW}
    panels = [
        Panel(found[kinds], np.linspace(low, high, bins + 1), label, "pairs per event  [1/GeV]", log=log)
        for kinds, (low, high, bins), label, log in _RAW
    ]
    return draw_panels(few, panels, 3, width=4.8, height=4.2)


def masses_without_background(comparison: Comparison) -> Figure:
    """Pairs of unlike charges less pairs of like charges: resonances without most of the chance pairs.

    Args:
        comparison: what to draw.
    """
    few, panels = comparison.few, []
    for unlike, alike, (low, high, bins), label in _ALIKE:
        columns = few.masses(*unlike).joined(few.masses(*alike), _difference)
        panels.append(Panel(columns, np.linspace(low, high, bins + 1), label,
                            "unlike less like  [1/GeV]", ratio_range=(0.0, 2.0)))  # fmt: skip
    return draw_panels(few, panels, 3, width=4.8, height=4.4, pulls=True)


def _difference(unlike: Column, alike: Column) -> Shared:
    """Values of both, event after event, and +1 or -1 for each."""
    event = np.concatenate([np.repeat(np.arange(len(c)), c.counts) for c in (unlike, alike)])
    sign = np.repeat([1.0, -1.0], [len(unlike.values), len(alike.values)])
    order = np.argsort(event, kind="stable")
    values = np.concatenate([unlike.values, alike.values])[order]
    return Shared(Column(values, unlike.offsets + alike.offsets, unlike.weight), sign[order])
