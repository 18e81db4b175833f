"""How high effort is made: options of `Tail`, as models carry them on their cards.

Chosen on training classes alone: CLINC150's training split by domain and by intent, SGD's training services.
"""

from typing import Any

EFFORT: dict[str, Any] = {
    "high": {
        "rank": 4,
        "rule": {"name": "novograd", "rate": 0.003},
        "num_steps": 8,
        "every": 2,
        "num_folds": 3,
        "scale": 12.0,
        "margin": 1.0,
        "max_rows": 256,
        "piece_rows": 16,
    }
}
