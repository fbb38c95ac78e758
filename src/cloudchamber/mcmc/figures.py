"""Plots of a chain: its points by pairs of parameters, its way in time, and what each round did."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cloudchamber.mcmc.posterior import arviz

if TYPE_CHECKING:
    import arviz as az

__all__ = ["Truth", "corner", "parameters", "rounds", "traces"]

Array = NDArray[np.float64]
_LEVELS = (0.68, 0.95)
_MOST_PARAMETERS, _MOST_POINTS, _BINS = 6, 4000, 40


class Truth(NamedTuple):
    """What is known of a target."""

    points: Array | None = None
    """Weighted points of the true density, shape (n, D)."""
    weights: Array | None = None
    """Shape (n,)."""
    values: Array | None = None
    """The parameters that the data were made with, shape (D,)."""
    mode_of: Callable[[Array], NDArray[np.int64]] | None = None
    mode_weights: Array | None = None


def parameters(data: "az.InferenceData", group: str = "posterior") -> Array:
    """Draws as numbers, shape (W, steps, D).

    Args:
        data: of a sampler.
        group: `posterior` or `warmup_posterior`.
    """
    chain = data[group]
    return np.stack([chain[name].values for name in chain.data_vars], axis=-1)


def corner(data: "az.InferenceData", truth: Truth, palette: Sequence[str]) -> Figure:
    """Marginal distributions, and points by pairs of parameters with the contours of the truth where it is known.

    Args:
        data: of a sampler.
        truth: what is known.
        palette: colours of chain and truth.
    """
    names = [str(name) for name in data["posterior"].data_vars][:_MOST_PARAMETERS]
    draws = parameters(data).reshape(-1, len(data["posterior"].data_vars))
    size = len(names)
    figure = Figure(figsize=(1.7 * size + 1.1, 1.7 * size + 0.9))
    axes = figure.subplots(size, size, squeeze=False)
    limits = [_limits(draws[:, k], None if truth.points is None else truth.points[:, k]) for k in range(size)]
    for row in range(size):
        for column in range(size):
            cell = axes[row, column]
            if column > row:
                cell.set_visible(False)
                continue
            cell.set_xlim(*limits[column])
            _ticks(cell, last=row == size - 1, first=column == 0 and row > 0)
            if row == column:
                _marginal(cell, draws, truth, column, palette)
            else:
                cell.set_ylim(*limits[row])
                _pair(cell, draws, truth, (column, row), palette)
            if row == size - 1:
                cell.set_xlabel(names[column])
            if column == 0 and row > 0:
                cell.set_ylabel(names[row])
    figure.subplots_adjust(0.16, 0.14, 0.97, 0.95, 0.08, 0.08)
    handles = [axes[0, 0].plot([], [], color=palette[0], label=f"chain ({len(draws):,} draws)")[0]]
    if truth.points is not None or truth.values is not None:
        handles += [axes[0, 0].plot([], [], color=palette[1], label="truth (68 %, 95 %)" if truth.points is not None
                                    else "truth")[0]]  # fmt: skip
    figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(0.98, 0.97))
    return figure


def traces(data: "az.InferenceData", truth: Truth, palette: Sequence[str], walkers: int = 6) -> Figure:
    """Some walkers in time from the first step on, and the share of the walkers in each mode.

    Args:
        data: of a sampler.
        truth: what is known.
        palette: colours.
        walkers: how many to show.
    """
    names = [str(name) for name in data["posterior"].data_vars][:3]
    before, after = parameters(data, "warmup_posterior"), parameters(data)
    way = np.concatenate([before, after], axis=1)
    panels = len(names) + (truth.mode_of is not None)
    figure = Figure(figsize=(7.2, 1.5 * panels + 0.8))
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    for k, name in enumerate(names):
        for w in range(min(walkers, len(way))):
            axes[k].plot(way[w, :, k], lw=0.6, color=palette[w % len(palette)], alpha=0.8)
        axes[k].set_ylabel(name)
    if truth.mode_of is not None and truth.mode_weights is not None:
        _occupancy(axes[-1], way, truth, palette)
    ends = np.cumsum(list(json.loads(data["posterior"].attrs["stages"]).values()))
    for cell in axes:
        for end in ends[:-1]:
            cell.axvline(end, color="0.6", lw=0.8, ls=":")
        cell.axvspan(ends[-2], ends[-1], color="0.93", zorder=-1)
    axes[0].set_title("dotted: trainings; shaded: the frozen kernel, whose draws count", fontsize=9)
    axes[-1].set_xlabel("step")
    axes[-1].set_xlim(0, way.shape[1])
    figure.tight_layout()
    return figure


def rounds(data: "az.InferenceData", palette: Sequence[str]) -> Figure:
    """Acceptance of each kernel and effective samples for a thousand evaluations, by stage.

    Args:
        data: of a sampler.
        palette: colours.
    """
    attributes = data["posterior"].attrs
    acceptance = json.loads(attributes["acceptance"])
    stages = [name for name in acceptance if acceptance[name]]
    figure = Figure(figsize=(7.2, 4.0))
    left, right = figure.subplots(1, 2)
    kernels = list(dict.fromkeys(kernel for stage in stages for kernel in acceptance[stage]))
    for k, kernel in enumerate(kernels):
        at = [n for n, stage in enumerate(stages) if kernel in acceptance[stage]]
        left.plot(at, [100 * acceptance[stages[n]][kernel] for n in at], "o-", color=palette[k % len(palette)],
                  label=kernel)  # fmt: skip
    left.set_ylabel("accepted [%]")
    left.set_ylim(0, 105)
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    right.bar(range(len(stages)), _efficiency(data, stages), color=palette[0])
    right.set_ylabel("bulk ESS per 1000 evaluations")
    for cell in (left, right):
        cell.set_xticks(range(len(stages)), stages, rotation=25, ha="right")
        cell.set_xlim(-0.6, len(stages) - 0.4)
    figure.tight_layout()
    return figure


def _efficiency(data: "az.InferenceData", stages: Sequence[str]) -> list[float]:
    """Smallest bulk ESS of the parameters for a thousand evaluations in each stage."""
    attributes = data["posterior"].attrs
    lengths: Mapping[str, int] = json.loads(attributes["stages"])
    evaluations: Mapping[str, int] = json.loads(attributes["evaluations_by_stage"])
    way = np.concatenate([parameters(data, "warmup_posterior"), parameters(data)], axis=1)
    found, first = [], 0
    for stage, steps in lengths.items():
        part = way[:, first : first + steps]
        first += steps
        if stage in stages:
            usable = steps >= 4 and np.isfinite(part).all()
            ess = min(float(arviz().ess(part[..., k])) for k in range(way.shape[2])) if usable else 0.0
            found.append(1000 * ess / evaluations[stage])
    return found


def _limits(draws: Array, truth: Array | None) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.001, 0.999])
    if truth is not None:
        low, high = min(low, truth.min()), max(high, truth.max())
    margin = 0.06 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _ticks(cell: Axes, *, last: bool, first: bool) -> None:
    cell.xaxis.set_major_locator(MaxNLocator(3))
    cell.yaxis.set_major_locator(MaxNLocator(3))
    cell.tick_params(labelbottom=last, labelleft=first)


def _marginal(cell: Axes, draws: Array, truth: Truth, k: int, palette: Sequence[str]) -> None:
    edges = list(np.linspace(*cell.get_xlim(), 2 * _BINS))
    cell.hist(draws[:, k], edges, density=True, histtype="step", color=palette[0], lw=1.2)
    if truth.points is not None:
        cell.hist(truth.points[:, k], edges, weights=truth.weights, density=True, histtype="step", color=palette[1])
    if truth.values is not None:
        cell.axvline(truth.values[k], color=palette[1])
    cell.set_yticks([])


def _pair(cell: Axes, draws: Array, truth: Truth, pair: tuple[int, int], palette: Sequence[str]) -> None:
    thin = draws[:: -(-len(draws) // _MOST_POINTS)]
    cell.plot(*thin[:, pair].T, ",", color=palette[0], alpha=0.5, rasterized=True)
    if truth.points is not None:
        _contours(cell, truth.points[:, pair], truth.weights, palette[1])
    if truth.values is not None:
        cell.plot(*truth.values[list(pair)], "+", color=palette[1], ms=9, mew=1.5)


def _contours(cell: Axes, points: Array, weights: Array | None, colour: str) -> None:
    """Lines that enclose the highest density with given probabilities."""
    box = np.array([cell.get_xlim(), cell.get_ylim()])
    density, x, y = np.histogram2d(points[:, 0], points[:, 1], bins=3 * _BINS, range=box, weights=weights)
    ordered = np.sort(density.ravel())[::-1]
    summed = np.cumsum(ordered) / ordered.sum()
    levels = sorted({float(ordered[np.searchsorted(summed, level)]) for level in _LEVELS})
    cell.contour((x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2, density.T, levels=levels, colors=colour, linewidths=0.9)


def _occupancy(cell: Axes, way: Array, truth: Truth, palette: Sequence[str]) -> None:
    mode_of, weights = truth.mode_of, truth.mode_weights
    if mode_of is None or weights is None:
        return
    labels = mode_of(way.reshape(-1, way.shape[-1])).reshape(way.shape[:2])
    for mode in range(min(len(weights), len(palette))):
        cell.plot((labels == mode).mean(0), lw=0.9, color=palette[mode])
        cell.axhline(float(weights[mode]), color=palette[mode], lw=0.8, ls="--")
    cell.set_ylabel("share in mode")
    cell.set_ylim(0, None)
