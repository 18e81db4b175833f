"""Meta-training and its measurement."""
