"""Encoders, heads and the training that ties them together. Importing this package does not import torch."""
