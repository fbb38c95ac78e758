"""Tensors without physics: batches, invertible maps and random streams."""
