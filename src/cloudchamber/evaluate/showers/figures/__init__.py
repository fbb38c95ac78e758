"""Figures of a report of showers."""
