"""Global kernels: proposals that do not depend on where a walker is.

Where a model overflows, what it draws is no point, and is rejected like a point outside the target's support.
"""

import torch

from cloudchamber.mcmc.proposal import Proposal
from cloudchamber.mcmc.state import State, Transition, metropolis
from cloudchamber.mcmc.target import LogDensity
from cloudchamber.tensors.rng import Rng

__all__ = ["Independence"]


class Independence:
    """The independence sampler, accepted with pi(x') q(x) / (pi(x) q(x')).

    Args:
        target: ln pi.
        proposal: q.
    """

    def __init__(self, target: LogDensity, proposal: Proposal) -> None:
        self.target, self.proposal = target, proposal

    def __call__(self, rng: Rng, state: State) -> Transition:
        """One step.

        Args:
            rng: random stream.
            state: of W walkers.
        """
        mark = state.mark or self.proposal.score(state.x, rng)
        drawn = self.proposal.draw(rng)
        whole = torch.isfinite(drawn.x).all(1) & torch.isfinite(drawn.mark.log_q)
        x = torch.where(whole[:, None], drawn.x, state.x)
        new = State(x, self.target(x).masked_fill(~whole, -torch.inf), drawn.mark)
        log_ratio = (new.log_prob - drawn.mark.log_q) - (state.log_prob - mark.log_q)
        return metropolis(rng, "global", State(state.x, state.log_prob, mark), new, log_ratio)
