"""Texts: `python -m benchmarks.accuracy text`, all intents of a set at once, by encoders that never saw the set."""
