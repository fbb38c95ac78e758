"""Particles, kinematics and conservation laws: numpy and Awkward, no models."""
