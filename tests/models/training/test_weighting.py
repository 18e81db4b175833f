"""Weights of losses, against what can be worked out by hand."""

import math

import pytest
import torch

from models.training.weighting import KINDS, Weighting, without_conflict


def losses(*values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in zip("abc", values, strict=False)}


def test_fixed_weights_are_those_given_and_one_for_the_others() -> None:
    weighting = Weighting(["a", "b", "c"], "fixed", {"b": 0.25})
    assert weighting(losses(1.0, 8.0, 3.0)).item() == pytest.approx(6.0)
    assert weighting.shown() == {"a": 1.0, "b": 0.25, "c": 1.0}


def test_a_missing_loss_counts_nothing() -> None:
    for kind in KINDS[:2]:
        weighting = Weighting(["a", "b", "c"], kind)
        assert weighting({"b": torch.tensor(2.0)}).item() == pytest.approx(2.0)


def test_uncertainty_finds_the_noise_that_makes_the_losses_likeliest() -> None:
    weighting = Weighting(["a", "b"], "uncertainty")
    optimiser = torch.optim.Adam(weighting.parameters(), 0.005)
    for _ in range(400):
        optimiser.zero_grad()
        weighting(losses(0.125, 2.0)).backward()
        optimiser.step()
    shown = weighting.shown()  # exp(-s) L + s / 2 is least at exp(-s) = 1 / (2 L)
    assert shown["a"] == pytest.approx(4.0, rel=0.02)
    assert shown["b"] == pytest.approx(0.25, rel=0.02)


def test_uncertainty_stays_within_bounds_where_a_loss_is_zero() -> None:
    weighting = Weighting(["a"], "uncertainty")
    with torch.no_grad():
        weighting.log_noise.fill_(-1000.0)
    assert weighting.shown()["a"] == pytest.approx(math.exp(4.0))


def test_upgrad_does_not_go_against_any_loss() -> None:
    pytest.importorskip("torchjd")
    shared = torch.tensor([0.3, -0.2], requires_grad=True)
    towards = {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([-2.0, 1.0])}  # b is larger and against a
    weighting = Weighting(["a", "b"], "upgrad")

    def slopes() -> dict[str, torch.Tensor]:
        return {name: direction @ shared for name, direction in towards.items()}

    (plain,) = torch.autograd.grad(sum(slopes().values()), shared)  # type: ignore[arg-type]
    (found,) = torch.autograd.grad(weighting(slopes(), [shared]), shared)
    assert plain @ towards["a"] < 0
    assert all(found @ direction >= -0.01 for direction in towards.values())
    assert weighting.shown() != {"a": 1.0, "b": 1.0}


def test_upgrad_without_conflict_is_the_plain_sum() -> None:
    pytest.importorskip("torchjd")
    shared = torch.ones(3, requires_grad=True)
    each = torch.stack([shared[0] * 2, shared[1] * 5])
    torch.testing.assert_close(without_conflict(each, [shared]), torch.ones(2))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="there are fixed, uncertainty, upgrad"):
        Weighting(["a"], "best")
    with pytest.raises(ValueError, match="b, which are no losses"):
        Weighting(["a"], "fixed", {"b": 1.0})
    with pytest.raises(ValueError, match="name these"):
        without_conflict(torch.ones(2), [])


def test_all_kinds_are_known() -> None:
    assert [Weighting(["a"], kind).kind for kind in KINDS] == [*KINDS]
