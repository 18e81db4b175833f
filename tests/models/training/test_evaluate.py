from dataclasses import replace
from pathlib import Path

import pytest

from models.card import read_card
from models.checkpoint import load
from models.training import measure, measure_methods
from models.training.evaluate import MEASURES, evaluate
from models.training.figures import Figure
from models.training.omniglot import omniglot
from models.training.publish import publish
from tests.models.training.tiny import tiny_run, write_omniglot


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of data sets with made-up characters in place of Omniglot's, in its layout."""
    write_omniglot(tmp_path)
    return tmp_path


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(measure, "UNSTRUCTURED", ((5, 1, 20),))
    monkeypatch.setattr(measure, "NUM_DRAWS", 2)
    run = tiny_run()
    publish(replace(run, card=replace(run.card, name="glyphs")), tmp_path / "model")
    return tmp_path / "model"


def test_a_read_of_the_test_sets_is_entered_and_goes_into_the_card(published: Path, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    ledger, digest = tmp_path / "results.md", load(published).digest
    ledger.write_text("# Results\n")
    evaluate(published, data, ledger)
    written = ledger.read_text()
    assert written.startswith("# Results\n")
    assert digest in written
    assert "| within an alphabet, 20-way 1-shot, error: alphabet_31 |" in written
    figures = read_card(published).card["figures"]
    assert figures["bf16"]["digits, 10-way 5-shot"] in written
    assert load(published).digest == digest


@pytest.mark.parametrize(("error", "is_entered"), [(KeyboardInterrupt, True), (FileNotFoundError, False)])
def test_a_read_that_breaks_off_is_entered_unless_there_was_nothing_to_read(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], is_entered: bool
) -> None:
    def broken(*_: object) -> list[Figure]:
        raise error

    monkeypatch.setitem(MEASURES, "glyphs", replace(MEASURES["glyphs"], figures=broken))
    ledger = tmp_path / "results.md"
    for read in (ledger, "unentered", "choosing"):
        with pytest.raises(error):
            evaluate(published, tmp_path, read)
    assert ledger.exists() == is_entered
    if is_entered:
        assert ledger.read_text().count("broke off, without figures: KeyboardInterrupt") == 1
        assert load(published).digest in ledger.read_text()


def test_a_model_of_the_comparison_is_measured_like_any_other(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure_methods, "UNSTRUCTURED", ((5, 1, 4),))
    monkeypatch.setattr(measure_methods, "WITHIN", ((5, 1, 2),))
    ledger = tmp_path / "results.md"
    publish(omniglot(data, "maml", num_steps=1, channels=8), tmp_path / "maml")
    figures = evaluate(tmp_path / "maml", data, ledger)["fp32"]
    assert {"5-way 1-shot", "within an alphabet, 5-way 1-shot, calibration error"} < {each.name for each in figures}
    adapted, operations = (each for each in figures if each.name.startswith("adapt, 5-way 1-shot"))
    assert 0 < adapted.value < 60_000
    assert operations.value > 0
    assert "- command: `kshot evaluate omniglot-maml`, " in ledger.read_text()
    unread = evaluate(tmp_path / "maml", data)["fp32"]  # trained on the alphabets for choosing: its costs alone
    assert len(unread) == 6


def test_choosing_reads_no_test_set_and_writes_nothing(published: Path, data: Path) -> None:
    for part in data.glob("omniglot/omniglot_evaluation*"):
        part.unlink()
    before = read_card(published)
    names = [figure.name for figure in evaluate(published, data)["fp32"]]
    assert "5-way 1-shot" in names
    assert not any("digits" in name for name in names)
    assert read_card(published) == before


def test_what_was_trained_on_the_alphabets_for_choosing_is_not_measured_on_them(published: Path, data: Path) -> None:
    card = read_card(published)
    (published / "model.json").write_text(replace(card, card={**card.card, "alphabets": list(range(30))}).to_json())
    assert [figure.unit for figure in evaluate(published, data)["fp32"]] == ["images/s"]
