"""Evaluation of muons and jets: spectra by number of jets, the Z peak, the cut on Delta R, boosted trees."""
