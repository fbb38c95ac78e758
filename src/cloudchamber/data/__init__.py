"""Data on its way to training: which events train and which validate, and in what order they come."""
