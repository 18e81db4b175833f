"""The laws that every head obeys behind every encoder, as checks of one learner on a few ragged tasks."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from safetensors.torch import load, save
from torch import Tensor

from models.heads.head import tempered
from models.learner import Learner
from models.types import Either, Logits, Scores, Tagged, TaskParams
from tests.models.tasks import Task, rows_of, support_of

TOLERANCE = 1e-5

Law = Callable[[Learner, Sequence[Task]], None]


def neighbours(learner: Learner, tasks: Sequence[Task]) -> None:
    """1. Adapting tasks together equals adapting each alone."""
    for together, task in zip(answers(learner, tasks), tasks, strict=True):
        close(together, answers(learner, [task])[0])


def padding(learner: Learner, tasks: Sequence[Task]) -> None:
    """2. Masked rows and ways change nothing."""
    for plain, padded in zip(answers(learner, tasks), answers(learner, tasks, extra=3), strict=True):
        close(plain, padded)


def order(learner: Learner, tasks: Sequence[Task]) -> None:
    """3. Permuting the support changes nothing; renaming the labels only renames the answer."""
    for task in tasks:
        plain, shuffle = answers(learner, [task])[0], torch.randperm(len(task.support))
        tags = None if task.tags is None else task.tags[shuffle]
        shuffled = replace(task, support=task.support[shuffle], targets=task.targets[shuffle], tags=tags)
        close(plain, answers(learner, [shuffled])[0])
        if task.ways:
            names = torch.randperm(task.ways)
            renamed = answers(learner, [replace(task, targets=names[task.targets])])[0]
            close(plain, torch.cat([renamed[:, names], renamed[:, task.ways :]], 1))


def storage(learner: Learner, tasks: Sequence[Task]) -> None:
    """4. Trim, pack, unpack, pad, predict: bit-equal."""
    support, query = support_of(tasks), rows_of([task.query for task in tasks])
    with torch.inference_mode():
        params = learner.adapt(support)
        packed = [save(trimmed(learner.head.layout, params, t, task)) for t, task in enumerate(tasks)]
        restored = padded(params, [load(leaves) for leaves in packed])
        before, after = learner.predict(params, query), learner.predict(restored, query)
    assert torch.equal(raw(before), raw(after))


def purity(learner: Learner, tasks: Sequence[Task]) -> None:
    """5. Nothing is written and no graph leaks: the same request twice, the same answer."""
    support, query = support_of(tasks), rows_of([task.query for task in tasks])
    state = {name: leaf.clone() for name, leaf in learner.state_dict().items()}
    inputs = support.rows.values.clone()
    with torch.inference_mode():
        first = learner.adapt(support)
        kept = {name: leaf.clone() for name, leaf in first.items()}
        scores, second = raw(learner.predict(first, query)), learner.adapt(support)
        again = raw(learner.predict(second, query))
    assert torch.equal(scores, again)
    assert torch.equal(inputs, support.rows.values)
    assert all(torch.equal(kept[name], first[name]) and not first[name].requires_grad for name in first)
    assert all(torch.equal(leaf, learner.state_dict()[name]) for name, leaf in state.items())


def learning(learner: Learner, tasks: Sequence[Task]) -> None:
    """6. Untrained and on easy tasks: 30 points above chance, or under half the error of always saying the mean."""
    for task, scores in zip(tasks, answers(learner, tasks), strict=True):
        if task.ways:
            accuracy = (scores[:, : task.ways].argmax(1) == task.answers).double().mean()
            assert accuracy > 1 / task.ways + 0.3
        else:
            mean = scores[..., 0]
            error, blind = (mean - task.answers).square().mean(), (task.answers - task.targets.mean(0)).square().mean()
            assert error < blind / 2


def queries(learner: Learner, tasks: Sequence[Task]) -> None:
    """7. A query's answer does not depend on the other queries."""
    together = answers(learner, tasks)
    for position in range(3):
        alone = answers(learner, [replace(task, query=task.query[[position]]) for task in tasks])
        for many, one in zip(together, alone, strict=True):
            close(many[[position]], one)


def units(learner: Learner, tasks: Sequence[Task]) -> None:
    """8. Rescaled regression targets rescale mean and standard deviation."""
    for scale in (1e-6, 3.0, 1e6):
        rescaled = [replace(task, targets=task.targets * scale) for task in tasks]
        for plain, scores in zip(answers(learner, tasks), answers(learner, rescaled), strict=True):
            torch.testing.assert_close(scores[..., 0] / scale, plain[..., 0], rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(scores[..., 1].sqrt() / scale, plain[..., 1].sqrt(), rtol=1e-4, atol=0)


def devices(learner: Learner, tasks: Sequence[Task]) -> None:
    """9. Adapt and predict run where there is no data: no hidden wait for a device, no mixing with the CPU."""
    away = copy.deepcopy(learner).to("meta")
    support, query = support_of(tasks, device="meta"), rows_of([task.query for task in tasks], device="meta")
    with torch.inference_mode():
        params = away.adapt(support)
        assert all(leaf.is_meta for leaf in params.values())
        assert raw(away.predict(params, query)).is_meta


def temperatures(learner: Learner, tasks: Sequence[Task]) -> None:
    """10. Params with a temperature divide the logits by it, where the head says that it can; no label changes."""
    support, query = support_of(tasks), rows_of([task.query for task in tasks])
    divisors = torch.tensor([0.5, 2.0, 3.0])
    with torch.inference_mode():
        params = learner.adapt(support)
        plain = learner.predict(params, query)
        cooled = learner.predict(tempered(learner.head, params, divisors), query)
    is_divided = isinstance(plain, Logits) and learner.head.factors
    wanted = raw(plain) / divisors.view(-1, 1, 1) if is_divided else raw(plain)
    torch.testing.assert_close(raw(cooled), wanted, rtol=TOLERANCE, atol=TOLERANCE)


LAWS: dict[str, Law] = {
    law.__name__: law
    for law in (neighbours, padding, order, storage, purity, learning, queries, units, devices, temperatures)
}


def answers(learner: Learner, tasks: Sequence[Task], extra: int = 0) -> list[Tensor]:
    """Per task, for its real queries and ways: logits [Q N], or mean and variance [Q O 2]; words' scores behind."""
    with torch.inference_mode():
        params = learner.adapt(support_of(tasks, extra))
        found = learner.predict(params, rows_of([task.query for task in tasks], extra))
    if isinstance(found, Tagged):
        return [_tagged(found, t, task) for t, task in enumerate(tasks)]
    scores = raw(found)
    assert not any(torch.isfinite(scores[t, :, task.ways :]).any() for t, task in enumerate(tasks) if task.ways)
    return [scores[t, : len(task.query), : task.ways or None] for t, task in enumerate(tasks)]


def raw(scores: Scores) -> Tensor:
    """Scores as one tensor: logits [T Q N], or mean and variance [T Q O 2]; words' scores behind."""
    if isinstance(scores, Tagged):
        return torch.cat([scores.intents.values, scores.words.flatten(2)], -1)
    assert not isinstance(scores, Either)
    return scores.values if isinstance(scores, Logits) else torch.stack([scores.mean, scores.variance], -1)


def _tagged(scores: Tagged, t: int, task: Task) -> Tensor:
    intents, words = (values[t, : len(task.query)] for values in (scores.intents.values, scores.words))
    return torch.cat([intents[:, : task.ways], words[..., : 2 * task.slots - 1].flatten(1)], 1)


def close(expected: Tensor, actual: Tensor) -> None:
    """Equal up to single precision."""
    assert torch.isfinite(expected).all()
    torch.testing.assert_close(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)


def trimmed(layout: Mapping[str, str], params: TaskParams, t: int, task: Task) -> TaskParams:
    """One task's leaves, cut to its own ways and rows along the ragged axes of the layout."""
    sizes = {"N": task.ways, "S": len(task.support), "K": task.slots}
    leaves = {}
    for name, axes in layout.items():
        leaf = params[name][t]
        assert leaf.ndim == len(axes.split())
        for axis, letter in enumerate(axes.split()):
            assert not letter.isdigit() or leaf.shape[axis] == int(letter)
            leaf = leaf.narrow(axis, 0, sizes.get(letter, leaf.shape[axis]))
        leaves[name] = leaf.contiguous()
    assert params.keys() == layout.keys()
    return leaves


def padded(like: TaskParams, each: Sequence[TaskParams]) -> TaskParams:
    """Stored leaves of several tasks as one batch again, zero where a task has nothing."""
    batch = {name: torch.zeros_like(leaf) for name, leaf in like.items()}
    for t, leaves in enumerate(each):
        for name, leaf in leaves.items():
            batch[name][t][tuple(map(slice, leaf.shape))] = leaf
    return batch
