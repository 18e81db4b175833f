"""The comparison from end to end on made-up characters: rows, the ledger, the tables; nothing is done twice."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benchmarks import accuracy, budget, tuning
from benchmarks.rows import kept
from models.card import read_card
from models.training import cost, measure_methods, omniglot
from models.training.methods import INNER_RATES
from models.training.train import Run
from tests.models.training.tiny import write_omniglot, write_vinyals


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up data and a network of eight channels; few tasks."""
    write_omniglot(tmp_path)
    write_vinyals(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(accuracy, "omniglot_run", eight_channels)
    monkeypatch.setattr(budget, "TRIAL_STEPS", (2, 2))
    monkeypatch.setattr(omniglot, "TRAINED", range(26))  # the made-up alphabets are the 25th and the 26th
    monkeypatch.setattr(omniglot, "VALIDATED", range(26, 30))
    monkeypatch.setattr(measure_methods, "UNSTRUCTURED", ((5, 1, 4), (20, 1, 2)))
    monkeypatch.setattr(measure_methods, "WITHIN", ((5, 1, 4),))
    monkeypatch.setattr(cost, "PASSES", 6)


def eight_channels(data: Path, method: str, num_steps: int, inner_rate: float, choosing: bool) -> Run:
    return omniglot.omniglot(
        data, method, num_steps, channels=8, num_images=20, inner_rate=inner_rate, choosing=choosing
    )


def compare(*words: str) -> Result:
    return CliRunner(env={"KSHOT_DATA": ".", "COLUMNS": "200"}).invoke(
        accuracy.app, [*words, "--minutes", "0.01", "--results", "results.md"], catch_exceptions=False
    )


def test_a_row_is_trained_measured_and_entered_once(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text("# Results\n\n## vectors, an entry\n")
    for methods in (["protonet"], ["protonet", "anil"]):
        words = [word for method in methods for word in ("--method", method)]
        assert compare("omniglot", *words).exit_code == 0
    written = page.read_text()
    assert written.count("## omniglot-protonet, ") == 1
    assert written.count("## omniglot-anil, ") == 1
    assert written.index("<!-- end of comparison-omniglot -->") < written.index("## vectors, an entry")
    row = kept(tmp_path / "runs/accuracy/omniglot-0.01min/protonet")
    assert f"- digest: `{row.digest}`" in written
    assert row.account is not None
    assert f"| `protonet` | {row.account.spent_s:.0f} CPU-s | {row.account.num_steps:,} | - | " in written
    assert f"| `protonet` | {row.shown('5-way 1-shot')} | - | {row.shown('20-way 1-shot')} | - |" in written


def test_an_inner_rate_is_chosen_on_held_out_alphabets_and_paid_from_the_budget(tmp_path: Path) -> None:
    folder = tmp_path / "runs/accuracy/omniglot-0.01min/anil"
    folder.mkdir(parents=True)
    kept_back = {f"{rate:g}": 0.9 if rate == 0.05 else 0.1 for rate in INNER_RATES[1:]}
    (folder / tuning.NAME).write_text(json.dumps({"tried": kept_back, "spent_s": 1.0}))  # killed before the last one
    assert compare("omniglot", "--method", "anil").exit_code == 0
    row = kept(folder)
    assert row.tuning.tried.keys() == {f"{rate:g}" for rate in INNER_RATES}
    assert row.tuning.best == 0.05
    assert row.account is not None
    assert row.account.trial_s > row.tuning.spent_s > 1
    assert "0.05: 90.0" in (tmp_path / "results.md").read_text()
    card = read_card(folder / "models" / "omniglot-anil")
    assert card.head["rule"]["rate"] == 0.05


def test_choosing_reads_no_test_set_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_methods, "VALIDATED", range(26, 30))
    for part in tmp_path.glob("omniglot/omniglot_evaluation*"):
        part.unlink()
    ran = compare("omniglot", "--choosing", "--method", "r2d2")
    assert ran.exit_code == 0
    assert "| `r2d2` | " in ran.output
    assert "| `r2d2` | - |" not in ran.output
    assert not (tmp_path / "results.md").exists()


def test_an_unknown_method_is_named() -> None:
    ran = compare("omniglot", "--method", "mamal")
    assert ran.exit_code == 2
    assert "There is no method 'mamal'" in ran.output


def test_vinyals_split_stands_beside_what_was_published(tmp_path: Path) -> None:
    assert compare("vinyals", "--method", "protonet").exit_code == 0
    written = (tmp_path / "results.md").read_text()
    assert "## vinyals-protonet, " in written
    assert "| prototypical networks (Snell et al. 2017) | 98.8 | 99.7 | 96.0 | 98.9 |" in written
