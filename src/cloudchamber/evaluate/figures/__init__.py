"""Figures of an evaluation: candidate against reference, with ratio panels and statistical bands."""
