"""The checkpoints that ship with the project, each a folder with its card."""
