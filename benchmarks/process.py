"""Every sampler with an exact denoiser: error against network calls, and calls per second.

    python benchmarks/process.py --out process.png

The data are a mixture of two normal distributions in the plane, whose denoiser is known in closed form, so what is left
is the sampler's own error: sliced W1 to fresh data in units of the mean distance between two samples of the truth
(n = 10,000 each; 1 is perfect), for the straight path of flow matching and for the schedules of the diffusion models.
Langevin dynamics stays at one level of noise and is listed for completeness.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from ot import sliced_wasserstein_distance
from rich.console import Console
from rich.table import Table

from cloudchamber.process.exact import ExactDenoiser, Mixture
from cloudchamber.process.sampler import SAMPLERS, sample
from cloudchamber.process.schedule import EDM, VP, CosineLogSNR, Discrete, Rectified
from cloudchamber.tensors.batch import Batch
from cloudchamber.tensors.rng import RowRng

N, DIRECTIONS, PAIRS = 10_000, 64, 6
_ANGLES = np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
sliced_w1 = partial(sliced_wasserstein_distance, projections=np.stack([np.cos(_ANGLES), np.sin(_ANGLES)]), p=1)
CALLS = (4, 8, 16, 32, 64, 128)
SCHEDULES = {"rectified": Rectified(), "cosine": CosineLogSNR(), "VP": VP(), "EDM": EDM(),
             "DDPM cosine": Discrete.cosine(1000)}  # fmt: skip
MIXTURE = Mixture(
    torch.tensor([0.3, 0.7]),
    torch.tensor([[1.6, 0.0], [-0.7, 0.4]]),
    torch.tensor([[[0.03, 0.01], [0.01, 0.02]], [[0.15, -0.06], [-0.06, 0.12]]]),
)


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("process.png"))
    chosen = parser.parse_args()
    generator = torch.Generator().manual_seed(1)
    truth = [MIXTURE.sample(N, generator).numpy() for _ in range(2 * PAIRS)]
    floor = float(np.mean([sliced_w1(truth[2 * k], truth[2 * k + 1]) for k in range(PAIRS)]))
    table = Table("path", "sampler", *(f"{calls} calls" for calls in CALLS), "calls/s (n = 10,000)",
                  title=f"sliced W1 in units of its floor, {floor:.4f}")  # fmt: skip
    figure, axes = plt.subplots(1, len(SCHEDULES), figsize=(3.2 * len(SCHEDULES), 3.6), sharey=True)
    given = Batch(torch.zeros(N, 2, dtype=torch.float64), torch.ones(N))
    for axis, (name, schedule) in zip(axes, SCHEDULES.items(), strict=True):
        for sampler in SAMPLERS:
            if sampler == "jump":
                continue
            start = time.monotonic()
            made = [sample(ExactDenoiser(MIXTURE, schedule), given, RowRng((2,), N), calls, sampler).numpy()
                    for calls in CALLS]  # fmt: skip
            rate = sum(CALLS) / (time.monotonic() - start)
            ratios = [float(np.mean([sliced_w1(x, t) for t in truth[:PAIRS]])) / floor for x in made]
            table.add_row(name, sampler, *(f"{ratio:.2f}" for ratio in ratios), f"{rate:.0f}")
            style = {"color": "black", "linestyle": ":"} if sampler == "langevin" else {}
            axis.plot(CALLS, ratios, marker="o", markersize=3, label=sampler, **style)
        axis.axhline(1, color="grey", linewidth=0.8)
        axis.set(title=name, xlabel="network calls", xscale="log", yscale="log", ylim=(0.7, 300))
        axis.set_xticks(CALLS, [str(calls) for calls in CALLS], minor=False)
        axis.minorticks_off()
    axes[0].set_ylabel("sliced W1 / floor")
    axes[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    figure.tight_layout()
    figure.savefig(chosen.out, dpi=150)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
