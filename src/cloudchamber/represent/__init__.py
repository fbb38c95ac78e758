"""Events to tensors and back."""
