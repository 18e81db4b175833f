"""The rules against steps written by hand: what is learned, what is shared, what is remembered."""

import pytest
import torch
from torch import Tensor

from models.inner import Rule
from models.rules.learned import Learned
from models.rules.maml_plus_plus import MAMLPlusPlus
from models.rules.meta_sgd import MetaSGD
from models.types import TaskParams

NORM = {"norm.weight": (4,), "norm.bias": (4,)}
SHAPES = {"weight": (1, 4), "bias": (1,), **NORM}


def leaves(seed: int, num_ways: int = 3) -> TaskParams:
    draw = torch.Generator().manual_seed(seed)
    sizes = {"weight": (2, num_ways, 4), "bias": (2, num_ways), "norm.weight": (2, 4), "norm.bias": (2, 4)}
    return {name: torch.randn(size, generator=draw) for name, size in sizes.items()}


def after(rule: Rule, num_steps: int, gradients: TaskParams, params: TaskParams) -> TaskParams:
    state = rule.begin(params)
    for k in range(num_steps):
        params, state = rule.step(k, gradients, state, params)
    return params


def gradient_of(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad


def test_meta_sgd_holds_long_gradients_to_their_length_task_by_task() -> None:
    rule, params, gradients = MetaSGD(SHAPES, 0.1, max_norm=5.0), leaves(1), leaves(2)
    gradients = {name: torch.cat([leaf[:1] * 1e-3, leaf[1:] * 1e3]) for name, leaf in gradients.items()}
    after, _ = rule.step(0, gradients, {}, params)
    moved = {name: params[name] - after[name] for name in params}
    lengths = torch.stack([leaf.flatten(1).square().sum(1) for leaf in moved.values()]).sum(0).sqrt()
    torch.testing.assert_close(lengths[1:], torch.full_like(lengths[1:], 0.5), rtol=1e-3, atol=1e-5)
    for name, leaf in gradients.items():
        torch.testing.assert_close(moved[name][0], 0.1 * leaf[0], rtol=1e-3, atol=1e-6)


def test_meta_sgd_learns_a_rate_an_element_that_classes_share() -> None:
    rule, params, gradients = MetaSGD(SHAPES, 0.1), leaves(1), leaves(2)
    moved = after(rule, 1, gradients, params)
    torch.testing.assert_close(moved["weight"], params["weight"] - 0.1 * gradients["weight"])
    moved["weight"].sum().backward()  # type: ignore[no-untyped-call]
    rates = rule.rates[rule.rows["weight"]]
    assert rates.shape == (1, 4)
    torch.testing.assert_close(gradient_of(rates), -gradients["weight"].sum((0, 1)).unsqueeze(0))


def test_maml_plus_plus_learns_a_rate_a_leaf_and_step() -> None:
    rule, params, gradients = MAMLPlusPlus(SHAPES, 0.1, num_steps=2), leaves(1), leaves(2)
    with torch.no_grad():
        rule.log_rates[1, rule.rows["weight"]] = torch.tensor(0.5).log()
    moved = after(rule, 3, gradients, params)
    torch.testing.assert_close(moved["weight"], params["weight"] - (0.1 + 0.5 + 0.5) * gradients["weight"])
    torch.testing.assert_close(moved["bias"], params["bias"] - 0.3 * gradients["bias"])


def test_maml_plus_plus_gives_each_step_its_normalisation() -> None:
    rule, params, gradients = MAMLPlusPlus(SHAPES, 0.1, num_steps=2), leaves(1), leaves(2)
    first = after(rule, 1, gradients, params)
    assert (first["norm.weight"] == 1).all()
    assert (first["norm.bias"] == 0).all()
    after(rule, 2, gradients, params)["norm.bias"].sum().backward()  # type: ignore[no-untyped-call]
    assert gradient_of(rule.affine[rule.rows["norm.bias"]]).tolist() == [[0.0] * 4, [2.0] * 4]


def test_an_untrained_learned_rule_is_nearly_descent() -> None:
    params, gradients = leaves(1), leaves(2)
    moved = after(Learned(SHAPES, 0.1), 3, gradients, params)
    for name, leaf in moved.items():
        torch.testing.assert_close(leaf, params[name] - 0.3 * gradients[name], rtol=0.05, atol=0.05)


@pytest.mark.parametrize("gain", [-1.0, 1.0])
def test_a_learned_rule_can_learn_to_go_further(gain: float) -> None:
    rule, params, gradients = Learned(SHAPES, 0.1), leaves(1), leaves(2)
    with torch.no_grad():
        rule.readout.bias.copy_(torch.tensor([gain, -50.0]))
    moved = after(rule, 1, gradients, params)["weight"]
    torch.testing.assert_close(moved, params["weight"] - 0.1 * torch.tensor(gain).exp() * gradients["weight"])
    moved.sum().backward()  # type: ignore[no-untyped-call]
    assert all(torch.isfinite(gradient_of(leaf)).all() for leaf in rule.parameters() if leaf.grad is not None)


def test_padded_classes_do_not_dilute_what_a_learned_rule_sees() -> None:
    torch.manual_seed(0)
    rule, params, gradients = Learned(SHAPES, 0.1), leaves(1), leaves(2)
    torch.nn.init.normal_(rule.readout.weight)

    def padded(each: TaskParams) -> TaskParams:
        wider = {name: torch.cat([each[name], torch.zeros_like(each[name])], 1) for name in ("weight", "bias")}
        return {**each, **wider}

    plain, wide = after(rule, 3, gradients, params), after(rule, 3, padded(gradients), padded(params))
    torch.testing.assert_close(wide["weight"][:, :3], plain["weight"])
