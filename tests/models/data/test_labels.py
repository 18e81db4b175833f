"""Episodes of labels: whose rows are whose, which are names, which queries are of none; and a head trained on them."""

import torch

from models.data.episodes import Batch
from models.data.labels import Label, LabelEpisodes, LabelSet
from models.heads.prior_logistic import PriorLogistic
from models.training.labels import fit_head
from models.types import Classes, MultiHot

LABELS, MEMBERS, DIM = 12, 8, 16


def drawn() -> tuple[torch.Tensor, list[LabelSet]]:
    """Two sets; a row is its label's number, and a name is that and a half."""
    sets, rows, first = [], [], 0
    for _ in range(2):
        labels = []
        for _ in range(LABELS):
            labels.append(Label(torch.arange(first, first + MEMBERS), first + MEMBERS))
            rows += [float(first)] * MEMBERS + [first + 0.5]
            first += MEMBERS + 1
        halves = [Label(torch.cat([each.positions for each in labels[n::3]]), labels[n].name) for n in range(3)]
        sets.append(LabelSet(labels, halves))
    return torch.tensor(rows).unsqueeze(1), sets


def batches() -> list[Batch]:
    episodes = LabelEpisodes(*drawn(), max_rows=60, max_shots=5)
    return [episodes(step) for step in range(60)]


def test_rows_and_names_are_their_labels_own_and_strangers_are_nobodys() -> None:
    for batch in batches():
        taught, truth = batch.support.target, batch.target
        if not isinstance(taught, Classes) or not isinstance(truth, Classes):
            continue
        for task in range(batch.num_episodes):
            own, ways = batch.support.rows.values[task, :, 0].floor(), taught.index[task]
            label_of = {way: set(own[ways == way].tolist()) for way in range(LABELS * 2)}
            assert all(len(label_of[way]) == 1 for way in ways.tolist())
            known = set().union(*label_of.values())
            for query, way in zip(batch.query.values[task, :, 0].tolist(), truth.index[task].tolist(), strict=True):
                assert query not in known if way < 0 else query in label_of[way]
            names = batch.support.names
            halves = own != batch.support.rows.values[task, :, 0]
            assert torch.equal(halves, torch.zeros_like(halves) if names is None else names[task])


def test_all_sizes_come_up_and_some_tasks_have_names_alone() -> None:
    found = [batch for batch in batches() if isinstance(batch.support.target, Classes)]
    ways = {batch.support.target.ways.shape[1] for batch in found}  # type: ignore[union-attr]
    assert {2, 12} <= ways
    assert any(batch.support.names is not None and batch.support.names.all() for batch in found)
    assert any(batch.support.names is None for batch in found)


def test_every_tag_of_a_row_is_told() -> None:
    tagged = [batch for batch in batches() if isinstance(batch.support.target, MultiHot)]
    assert len(tagged) == 10
    for batch in tagged:
        assert isinstance(batch.support.target, MultiHot) and isinstance(batch.target, MultiHot)
        for rows, hot in ((batch.support.rows, batch.support.target), (batch.query, batch.target)):
            number = rows.values[0, :, 0].floor()
            for one in range(len(number)):
                assert torch.equal(hot.values[0, one], hot.values[0, number == number[one]][0])


def test_a_step_is_the_same_again() -> None:
    first, again = (LabelEpisodes(*drawn(), max_rows=60)(7) for _ in range(2))
    assert torch.equal(first.support.rows.values, again.support.rows.values)


def features_of(rows: torch.Tensor) -> torch.Tensor:
    """A direction for each label, and noise."""
    draw = torch.Generator().manual_seed(0)
    directions = torch.randn(int(rows.max()) + 1, DIM, generator=draw)[rows.long().squeeze(1)]
    return directions + torch.randn(directions.shape, generator=draw)


def test_a_head_learns_what_is_unknown() -> None:
    rows, sets = drawn()
    torch.manual_seed(0)
    labels = [LabelSet(each.labels) for each in sets]
    seen = fit_head(PriorLogistic(num_steps=8), features_of(rows), labels, num_steps=40)
    first, last = (sum(one["loss"] for one in part) / 10 for part in (seen[:10], seen[-10:]))
    assert last < first


def test_a_part_of_a_head_learns_alone() -> None:
    rows, sets = drawn()
    head = PriorLogistic(num_steps=4)
    before = {name: leaf.clone() for name, leaf in head.state_dict().items()}
    fit_head(head, features_of(rows), sets, num_steps=2, part=head.evidence)
    moved = {name for name, leaf in head.state_dict().items() if not torch.equal(leaf, before[name])}
    assert moved == {name for name in before if name.startswith("evidence.")}
