"""Evaluation of calorimeter showers: how close they are to a reference, every number beside its floor."""
