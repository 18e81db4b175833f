"""The written layer: a nearest-mean classifier until it is trained, and trainable in every part."""

import torch

from models.encoders.identity import Identity
from models.heads.amortised import Amortised
from models.heads.prototypical import Prototypical
from models.learner import Learner
from tests.models.laws import order
from tests.models.tasks import rows_of, support_of, vector_task


def test_untrained_it_is_a_prototypical_head() -> None:
    task = vector_task(1)
    support, query = support_of([task]), rows_of([task.query])
    scores = [head.predict(head.adapt(support), query).values for head in (Amortised(6), Prototypical())]
    torch.testing.assert_close(*scores)


def test_trained_it_still_takes_sets_of_classes_in_any_order() -> None:
    torch.manual_seed(0)
    head = Amortised(6, hidden=8)
    torch.nn.init.normal_(head.written.weight)
    order(Learner(Identity(), head), [vector_task(1), vector_task(2, ways=2, shots=6)])


def test_a_few_steps_of_training_lower_the_loss() -> None:
    torch.manual_seed(0)
    head, tasks = Amortised(6, hidden=8, scale=1.0), [vector_task(seed) for seed in range(8)]
    optimiser = torch.optim.Adam(head.parameters(), 0.01)
    answers = torch.stack([task.answers for task in tasks])
    losses = []
    for _ in range(20):
        scores = head.predict(head.adapt(support_of(tasks)), rows_of([task.query for task in tasks])).values
        loss = torch.nn.functional.cross_entropy(scores.mT, answers)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(leaf.grad is not None and leaf.grad.abs().max() > 0 for leaf in head.parameters())
