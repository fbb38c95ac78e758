"""Networks: tensors in, tensors out; no noise, no physics."""
