"""From a run to ArviZ's data, and the numbers that say whether to trust it."""

import json
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cloudchamber.errors import InputError
from cloudchamber.mcmc.history import History
from cloudchamber.mcmc.run import Run

if TYPE_CHECKING:
    import arviz as az

__all__ = ["Diagnostics", "arviz", "diagnostics", "inference_data"]

Diagnostics = dict[str, Any]


def arviz() -> Any:  # noqa: ANN401
    """ArviZ, without what it says of its future when it is imported.

    Raises:
        InputError: if it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import arviz
        except ImportError:
            raise InputError(
                "assisted Markov chains need ArviZ; in a checkout, pip install '.[mcmc]' brings it."
            ) from None
    return arviz


def inference_data(run: Run, names: Sequence[str]) -> "az.InferenceData":
    """The draws, and what came before them as the warm-up.

    Args:
        run: finished.
        names: of the parameters.
    """
    draws, before = run.histories[-1], _joined(run.histories[:-1])
    stages = [stage.name for stage in run.stages]
    attributes = {
        "stages": json.dumps(dict(zip(stages, [stage.steps for stage in run.stages], strict=True))),
        "evaluations": sum(run.evaluations),
        "evaluations_by_stage": json.dumps(dict(zip(stages, run.evaluations, strict=True))),
        "acceptance": json.dumps({name: h.acceptance() for name, h in zip(stages, run.histories, strict=True)}),
        "components": 0 if run.proposal is None else run.proposal.mixture.components - 1,
        "seed": run.seed,
        "adapt_forever": int(run.plan.adapt_forever),
        "inference_library": "cloudchamber",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # more walkers than draws are no mistake here
        data = arviz().from_dict(
            posterior=_columns(run, draws, names), sample_stats=_statistics(draws),
            warmup_posterior=_columns(run, before, names), warmup_sample_stats=_statistics(before), save_warmup=True,
        )  # fmt: skip
    for group in ("posterior", "sample_stats"):
        data[group].attrs.update(attributes)
    return data


def diagnostics(data: "az.InferenceData") -> Diagnostics:
    """Split R-hat, bulk and tail effective sample sizes, acceptances and evaluations.

    Args:
        data: of `inference_data`.
    """
    az = arviz()
    attributes = data["posterior"].attrs
    chain = data["posterior"]
    bulk, tail, r_hat = az.ess(chain, method="bulk"), az.ess(chain, method="tail"), az.rhat(chain, method="rank")
    error = az.mcse(chain, method="mean")
    parameters: dict[str, dict[str, Any]] = {
        str(name): {
            "mean": float(chain[name].mean()), "sd": float(chain[name].std()),
            "quantiles": {str(q): float(chain[name].quantile(q)) for q in (0.025, 0.16, 0.5, 0.84, 0.975)},
            "mcse_mean": float(error[name]), "ess_bulk": float(bulk[name]), "ess_tail": float(tail[name]),
            "r_hat": float(r_hat[name]),
        }
        for name in chain.data_vars
    }  # fmt: skip
    return {
        "parameters": parameters,
        "ess_bulk": min(p["ess_bulk"] for p in parameters.values()),
        "ess_tail": min(p["ess_tail"] for p in parameters.values()),
        "r_hat": max(p["r_hat"] for p in parameters.values()),
        "walkers": chain.sizes["chain"],
        "draws": chain.sizes["draw"],
        "evaluations": int(attributes["evaluations"]),
        "evaluations_by_stage": json.loads(attributes["evaluations_by_stage"]),
        "acceptance": json.loads(attributes["acceptance"]),
        "components": int(attributes["components"]),
    }


def _joined(histories: Sequence[History]) -> History:
    lists = [[item for h in histories for item in getattr(h, name)] for name in vars(History())]
    return History(*lists)


def _columns(run: Run, history: History, names: Sequence[str]) -> dict[str, Any]:
    """Each parameter, shape (W, steps)."""
    u = torch.stack(history.x)
    v = run.target.to_values(u.flatten(0, 1)).reshape(u.shape)
    return {name: v[:, :, k].T.numpy() for k, name in enumerate(names)}


def _statistics(history: History) -> dict[str, Any]:
    """The density in coordinates without bounds, acceptance, and which kernel acted; each of shape (W, steps)."""
    log_prob = torch.stack(history.log_prob).T
    is_global = torch.tensor([name == "global" for name in history.kernels])
    return {
        "lp": log_prob.numpy(),
        "accepted": _turned(history.accepted).numpy(),
        "global_step": is_global.expand(log_prob.shape).numpy(),
    }


def _turned(rows: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(rows)).T
