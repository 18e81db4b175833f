"""The checkpoints that ship with the project: a folder a model, with its weights and its card."""
