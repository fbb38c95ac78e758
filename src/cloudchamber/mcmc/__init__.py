"""Markov chains that draw from a density known up to a constant, helped by models that learn from the chain itself.

    target      a log-density in coordinates without bounds, with every evaluation counted
    state       what a kernel is: (rng, state) -> (state, info), for a batch of walkers
    walk        local kernels: random walks, and differential evolution between walkers
    proposal    what a model must offer to be proposed from, and its density
    clusters    a model in the coordinates of a mixture's components
    independence, compose     global kernels, and kernels made of kernels
    rounds, run               warm up, train on the pooled chain, freeze, draw; a state that can be saved
    posterior, figures        ArviZ's data and diagnostics, and plots

Chains are exact by construction: all that is learnt only proposes, and the acceptance of every kernel holds the density
that was proposed from. Only draws of a frozen kernel count.
"""
