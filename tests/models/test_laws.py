"""Every head, behind every kind of encoder, obeys the laws. A new head or encoder is tested by adding a row."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import torch

from models.checkpoint import build
from models.encoders import ENCODERS
from models.heads import HEADS
from models.rules import RULES
from tests.models.laws import LAWS, Law, units
from tests.models.tasks import (
    Task,
    curve_task,
    frame_task,
    glyph_task,
    photo_task,
    table_task,
    text_task,
    vector_task,
    word_task,
)

IDENTITY = {"name": "identity"}
MLP = {"name": "mlp", "input_dim": 6, "widths": [32]}
CONV4 = {"name": "conv4", "channels": 16}
STRIDED = {"name": "conv4", "channels": 16, "strided": True}
CURVES = {"name": "mlp", "input_dim": 1, "widths": [32], "scale": 5.0}
CURVES_IN_OWN_UNITS = {
    "name": "in_own_units",
    "columns": 1,
    "body": {**CURVES, "scale": 1.7, "through": True},
    "head": {"name": "bayesian_linear", "width": 33, "rank": 8, "noises": [0.05, 0.3]},
    "constant": 0.0,
    "farthest": 1000.0,
    "alone": True,
    "reach": 2.8,
}
MINILM = {"name": "minilm", "base": None, "sizes": [9000, 32, 64], "heads": 2, "last": 2, "rank": 2, "also": [1]}
PHOTOS = {"name": "efficientnet_lite", "taps": [15], "width": 1400}
APART = {"vision"}  # needs a library that is not always there: test_vision.py
WORDS = {
    "name": "words",
    "base": None,
    "sizes": [9000, 32, 64],
    "base_heads": 2,
    "cut": 1,
    "last": 2,
    "rank": 2,
    "features": 8,
    "plain": 4,
}
BOTH = {
    "name": "both",
    "classes": {"name": "prior_logistic", "num_steps": 12},
    "values": {"name": "bayesian_linear", "width": 32, "rank": 8, "noises": [0.05, 0.3]},
}
STEMS = {
    "name": "stems",
    "image": {**STRIDED},
    "text": {"name": "bag", "base": None, "sizes": [9000, 128, 64], "width": 128},
    "image_width": 16,
    "text_width": 128,
    "width": 128,
    "columns": 8,
}
TRUNK = {"name": "trunk", "columns": 8, "width": 128, "hidden": 32, "out": 16}
REGRESSES = {"name": "bayesian_linear", "width": 152, "rank": 12, "noises": [0.05, 0.3]}
PLAIN = {"name": "ridge", "normalise": "none", "penalty": 0.1}
IN_OWN_UNITS = {
    "name": "in_own_units",
    "columns": 8,
    "body": TRUNK,
    "head": {"name": "both", "classes": PLAIN, "values": REGRESSES},
}
SGD = {"name": "sgd", "rate": 0.5}
SLOW = {"name": "sgd", "rate": 0.03}
PER_LEAF = {"name": "sgd", "rate": 0.1, "learned": True, "per_leaf": True}


def gradient(body: dict[str, Any], width: int, rule: dict[str, Any], num_steps: int, **options: Any) -> dict[str, Any]:
    return {"name": "gradient", "body": body, "width": width, "rule": rule, "num_steps": num_steps, **options}


def tail(body: dict[str, Any], width: int, head: dict[str, Any]) -> dict[str, Any]:
    """Few rows at a time, and no margin: every part of it must play its part."""
    rule = {"name": "novograd", "rate": 0.01}
    sizes = {"num_steps": 3, "every": 2, "num_folds": 2, "max_rows": 8, "piece_rows": 3, "margin": 0.0}
    return {"name": "tail", "body": body, "head": head, "width": width, "rule": rule, **sizes}


Row: TypeAlias = tuple[dict[str, Any], dict[str, Any], Callable[..., Task]]  # encoder, head, maker of tasks

ROWS: dict[str, Row] = {
    "prototypical, identity": (IDENTITY, {"name": "prototypical"}, vector_task),
    "prototypical, conv4": (CONV4, {"name": "prototypical"}, glyph_task),
    "prototypical, resnet": ({"name": "resnet", "widths": [8, 16]}, {"name": "prototypical"}, glyph_task),
    "prototypical, resnet with views": (
        {"name": "resnet", "widths": [8, 16], "views_deg": [-8.0, 8.0], "root": True},
        {"name": "prototypical"},
        glyph_task,
    ),
    "prior logistic, efficientnet": (PHOTOS, {"name": "prior_logistic", "num_steps": 12, "cosine": True}, photo_task),
    "prototypical, minilm": (MINILM, {"name": "prototypical"}, text_task),
    "ridge of rows, mlp": (MLP, {"name": "ridge"}, vector_task),
    "ridge of rows, conv4": (CONV4, {"name": "ridge", "penalty": 0.1}, glyph_task),
    "ridge of columns, identity": (IDENTITY, {"name": "ridge", "normalise": "standard"}, vector_task),
    "logistic, mlp": (MLP, {"name": "logistic", "num_steps": 20}, vector_task),
    "logistic, identity": (IDENTITY, {"name": "logistic", "penalty": 0.01}, vector_task),
    "prior logistic, mlp": (MLP, {"name": "prior_logistic"}, vector_task),
    "prior logistic, identity": (IDENTITY, {"name": "prior_logistic", "num_steps": 12}, vector_task),
    "frames, identity": (IDENTITY, {"name": "frames", "width": 8, "num_steps": 8}, frame_task),
    "frames, words": (WORDS, {"name": "frames", "width": 8, "num_steps": 8}, word_task),
    "in context, identity": (IDENTITY, {"name": "in_context", "hidden": 8}, table_task),
    "amortised, mlp": (MLP, {"name": "amortised", "width": 32, "hidden": 8}, vector_task),
    "bayesian linear, mlp": (
        CURVES,
        {"name": "bayesian_linear", "width": 32, "rank": 8, "noises": [0.05, 0.3]},
        curve_task,
    ),
    "bayesian linear, identity": (IDENTITY, {"name": "bayesian_linear", "width": 1, "rank": 1}, curve_task),
    "alpaca, mlp": (CURVES, {"name": "alpaca", "width": 32, "rank": 16}, curve_task),
    "alpaca in trained units": (IDENTITY, {"name": "alpaca", "width": 1, "rank": 2, "units": "trained"}, curve_task),
    "alpaca, linear map": (
        {"name": "linear_map", "input_dim": 1, "width": 3},
        {"name": "alpaca", "width": 3, "rank": 2, "units": "trained"},
        curve_task,
    ),
    "mixture prior, mlp": (CURVES, {"name": "mixture_prior", "width": 32, "rank": 16, "kinds": 3}, curve_task),
    "linear classes, mlp": (MLP, {"name": "linear_classes"}, vector_task),
    "linear values, mlp": (CURVES, {"name": "linear_values", "penalty": 0.01}, curve_task),
    "both, of classes": (MLP, BOTH, vector_task),
    "both, of values": (CURVES, BOTH, curve_task),
    "gradient of a layer, regression": (
        CURVES,
        {"name": "gradient_regression", "body": IDENTITY, "width": 32, "rule": SLOW, "num_steps": 60},
        curve_task,
    ),
    "gradient of a network, regression": (
        IDENTITY,
        {"name": "gradient_regression", "body": CURVES, "width": 32, "rule": SLOW, "num_steps": 60},
        curve_task,
    ),
    "gradient of a network": (IDENTITY, gradient(STRIDED, 16, PER_LEAF, num_steps=8), glyph_task),
    "gradient of a layer, mlp": (MLP, gradient(IDENTITY, 32, SGD, num_steps=3), vector_task),
    "gradient of a layer, conv4": (CONV4, gradient(IDENTITY, 16, PER_LEAF, num_steps=5, prototypes=True), glyph_task),
    "gradient from prototypes": (IDENTITY, gradient(MLP, 32, PER_LEAF, num_steps=2, prototypes=True), vector_task),
    "meta-sgd, mlp": (MLP, gradient(IDENTITY, 32, {"name": "meta_sgd", "rate": 0.5}, num_steps=3), vector_task),
    "maml++ of a network": (
        IDENTITY,
        gradient(STRIDED, 16, {"name": "maml_plus_plus", "rate": 0.1, "num_steps": 3}, num_steps=4),
        glyph_task,
    ),
    "novograd, mlp": (MLP, gradient(IDENTITY, 32, {"name": "novograd", "rate": 0.1}, num_steps=3), vector_task),
    "tail, mlp": (IDENTITY, tail(MLP, 32, {"name": "ridge"}), vector_task),
    "tail of a text encoder": (
        {**MINILM, "last": 0, "output": "tokens"},
        tail({**MINILM, "first": 1}, 64, {"name": "prior_logistic"}) | {"blank": 0.2},
        text_task,
    ),
    "in own units, stems of glyphs": (STEMS, IN_OWN_UNITS, glyph_task),
    "in own units, stems of texts": (STEMS, IN_OWN_UNITS, text_task),
    "in own units, stems of vectors": (STEMS, IN_OWN_UNITS, vector_task),
    "in own units, stems of curves": (STEMS, IN_OWN_UNITS, curve_task),
    "in own units, curves": (IDENTITY, CURVES_IN_OWN_UNITS, curve_task),
    "learned rule, mlp": (MLP, gradient(IDENTITY, 32, {"name": "learned", "rate": 0.5}, num_steps=3), vector_task),
}


TRAINED_UNITS = ("gradient_regression", "mixture_prior")


def follows_units(row: Row) -> bool:
    """Whether it regresses, in the units of the task and not in those it was trained in."""
    return row[2] is curve_task and row[1].get("units") != "trained" and row[1]["name"] not in TRAINED_UNITS


PAIRS = {f"{name}: {law}": (row, LAWS[law]) for name, row in ROWS.items() for law in LAWS}
APPLY = {name: pair for name, pair in PAIRS.items() if pair[1] is not units or follows_units(pair[0])}


@pytest.mark.parametrize(("row", "law"), APPLY.values(), ids=APPLY)
def test_law(row: Row, law: Law) -> None:
    encoder, head, draw = row
    torch.manual_seed(0)
    learner = build(encoder, head).eval()
    law(learner, [draw(seed=1), draw(seed=2, ways=2, shots=6), draw(seed=3, ways=4, shots=3)])


TEMPERED = ("prototypical", "ridge", "linear_classes")  # whose logits are linear in their params


def can_be_tempered(head: dict[str, Any]) -> bool:
    """Law 10 asks the head itself, and would pass for one that never says so."""
    within = {"both": "classes", "in_own_units": "head"}.get(head["name"])
    return can_be_tempered(head[within]) if within else head["name"] in TEMPERED


@pytest.mark.parametrize(("encoder", "head"), [row[:2] for row in ROWS.values()], ids=ROWS)
def test_heads_of_linear_logits_can_be_tempered(encoder: dict[str, Any], head: dict[str, Any]) -> None:
    assert bool(build(encoder, head).head.factors) == can_be_tempered(head)


def test_every_head_and_encoder_and_rule_has_a_row() -> None:
    rows = [part for encoder, head, _ in ROWS.values() for part in (encoder, head)]
    parts = rows + [deeper for part in rows for deeper in part.values() if isinstance(deeper, dict)]
    assert {part["name"] for part in parts} | APART == HEADS.keys() | ENCODERS.keys() | RULES.keys()
