"""The demonstration: its draws are fair, and it runs against a real server."""

import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from service.cli import app
from service.demo import NUM_DRAWS, NUM_SHOTS, digits, draws, rival


def test_draws_are_disjoint_seeded_and_even() -> None:
    _, labels = digits()
    first, second = list(draws(labels)), list(draws(labels))
    assert len(first) == NUM_DRAWS
    for draw, again in zip(first, second, strict=True):
        assert np.array_equal(draw.support, again.support) and np.array_equal(draw.query, again.query)
        assert len(draw.query) == 1_747 and len(np.union1d(draw.support, draw.query)) == len(labels)
        assert np.array_equal(np.bincount(labels[draw.support]), np.full(10, NUM_SHOTS))


def test_the_rival_is_worth_beating() -> None:
    scans, labels = digits()
    assert rival(scans, labels, next(draws(labels))) > 0.8


def test_without_scikit_learn_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 1
    assert "kshot[demo]" in result.output
