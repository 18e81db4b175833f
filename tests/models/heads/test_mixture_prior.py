"""A mixture of priors against Bayes' rule kind by kind, and against ALPaCA, which it is with one kind."""

from dataclasses import replace

import torch
from torch.distributions import MultivariateNormal

from models.heads.alpaca import ALPaCA
from models.heads.mixture_prior import MixturePrior
from tests.models.tasks import curve_task, rows_of, support_of


def head(kinds: int) -> MixturePrior:
    torch.manual_seed(0)
    layer = MixturePrior(width=1, rank=2, kinds=kinds, noise=0.5).requires_grad_(False)
    layer.mean.copy_(torch.tensor([0.7, -0.2]))
    layer.roots.add_(0.3 * torch.randn_like(layer.roots))
    layer.log_share.copy_(torch.randn(kinds))
    return layer


def test_each_kind_is_weighed_by_its_evidence() -> None:
    task, layer = curve_task(1), head(kinds=3)
    task = replace(task, support=task.support[:3], targets=task.targets[:3])
    x, q = (torch.cat([rows, torch.ones_like(rows)], 1).double() for rows in (task.support, task.query))
    level, level_there = x @ layer.mean.double(), q @ layer.mean.double()
    x, q = x @ layer.subspace.mT.double(), q @ layer.subspace.mT.double()
    evidence, means = [], []
    for centre, root in zip(layer.centres.double(), layer.roots.double(), strict=True):
        prior = (root @ root.mT).inverse()
        total = x @ prior @ x.mT + 0.25 * torch.eye(3)
        left = task.targets[:, 0].double() - level - x @ centre
        normal = MultivariateNormal(torch.zeros(3, dtype=torch.float64), total)
        evidence.append(normal.log_prob(left))  # type: ignore[no-untyped-call]
        means.append(level_there + q @ (centre + prior @ x.mT @ total.inverse() @ left))
    share = (torch.stack(evidence) + layer.log_share).softmax(0)
    scores = layer.predict(layer.adapt(support_of([task])), rows_of([task.query]))
    torch.testing.assert_close(scores.mean[0, :, 0].double(), share @ torch.stack(means), rtol=1e-4, atol=1e-4)


def test_one_kind_in_the_middle_is_alpaca() -> None:
    task, ours = curve_task(2), head(kinds=1)
    ours.centres.zero_()
    ours.roots.copy_(torch.eye(2))
    alpaca = ALPaCA(width=1, rank=2, noise=0.5, units="trained").requires_grad_(False)
    alpaca.mean.copy_(ours.mean)
    alpaca.subspace.copy_(ours.subspace)
    support, query = support_of([task]), rows_of([task.query])
    found, expected = (layer.predict(layer.adapt(support), query) for layer in (ours, alpaca))
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.variance, expected.variance, rtol=1e-4, atol=1e-4)


def test_example_after_example_ends_where_all_at_once_does() -> None:
    task, layer = curve_task(1), head(kinds=3)
    parts = [replace(task, support=task.support[part], targets=task.targets[part]) for part in (slice(3), slice(3, 9))]
    at_once = layer.adapt(support_of([task]))
    in_turn = layer.adapt(support_of([parts[1]]), layer.adapt(support_of([parts[0]])))
    for name, leaf in at_once.items():
        torch.testing.assert_close(in_turn[name], leaf, rtol=1e-4, atol=1e-4)
