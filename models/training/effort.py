"""How high effort is made: options of `Tail`, as models carry them on their cards.

Chosen on training classes alone: CLINC150's training split by domain and by intent, SGD's training services.
"""

from typing import Any

EFFORT: dict[str, Any] = {
    "high": {
        "rank": 4,
        "rule": {"name": "novograd", "rate": 0.006},
        "num_steps": 12,
        "every": 3,
        "num_folds": 2,
        "scale": 12.0,
        "margin": 0.5,
        "blank": 0.25,
        "max_rows": 256,
        "piece_rows": 16,
    }
}
