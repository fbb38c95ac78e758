"""Truth from Pythia8: deep-inelastic scattering, and decays of what a model leaves undecayed."""
