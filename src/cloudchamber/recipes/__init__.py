"""Recipes: presets, and the wiring that turns them into simulations, trainings, models and reports."""
