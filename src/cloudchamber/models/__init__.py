"""Models: what can be trained, sampled and asked for densities."""
