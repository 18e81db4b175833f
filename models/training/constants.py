"""The constants of adapting, learned behind an encoder that stays as it is: episodes of features."""

import torch

from models.data.episodes import Batch, draw, full_batch, generator, split_batch
from models.data.shared import SharedRows
from models.encoders.identity import Identity
from models.learner import Learner
from models.training.figures import encode_all
from models.training.objectives.episodic import episodic

NUM_STEPS, RATE = 200, 0.03
MAX_WAYS, MAX_SHOTS, QUERIES, NUM_TASKS = 20, 5, 3, 8


def fit_constants(learner: Learner, shared: SharedRows, num_steps: int = NUM_STEPS) -> None:
    """Train the head alone, on tasks of these rows: every second step regressions, where there are any."""
    rows = shared.rows
    features = encode_all(learner.eval(), rows.inputs).clone()
    pools = [
        torch.nonzero(rows.classes[:, column] == way).flatten()
        for column, labels in enumerate(shared.labels.values())
        for way in range(len(labels))
    ]

    def batch(step: int) -> Batch:
        draws = generator(0, step)
        shots = int(torch.randint(1, MAX_SHOTS + 1, (), generator=draws))
        if step % 2 and shared.numbers:
            chosen = torch.randint(len(features), (NUM_TASKS, 8 * shots + 16), generator=draws)
            number = int(torch.randint(len(shared.numbers), (), generator=draws))
            return split_batch(features[chosen], rows.values[chosen, number].unsqueeze(-1), 8 * shots)
        ways = int(torch.randint(2, min(MAX_WAYS, len(pools)) + 1, (), generator=draws))
        chosen = draw(pools, NUM_TASKS, ways, shots + QUERIES, draws)
        return full_batch(features[chosen[:, :, :shots]], features[chosen[:, :, shots:]])

    alone = Learner(Identity(), learner.head)
    optimiser = torch.optim.Adam([leaf for leaf in learner.head.parameters() if leaf.requires_grad], RATE)
    for step in range(num_steps):
        optimiser.zero_grad()
        episodic(alone, batch(step))
        optimiser.step()
    optimiser.zero_grad()
