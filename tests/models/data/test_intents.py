"""Intents: what may be trained on holds no test split and nothing that is left out; labels as words."""

import gzip
import json
from pathlib import Path

import pytest

from models.data.absent import AbsentDataSet
from models.data.intents import FILES, by_label, load_intents, named, trainable


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Small sets in the layout of the real ones."""
    return written(tmp_path)


def written(folder: Path, num_texts: int = 6) -> Path:
    texts = [f"sentence {number}" for number in range(num_texts)]
    rows: dict[str, list[dict[str, object]]] = {
        "clinc150.jsonl.gz": [
            {"text": f"{label} {text}", "label": label, "domain": domain, "split": split}
            for label, domain in (("card_lost", "banking"), ("play_music", "home"), ("oos", None))
            for split in ("train", "test")
            for text in texts
        ],
        "hwu64.jsonl.gz": [
            {
                "text": f"{intent} {text}",
                "intent": intent,
                "domain": "home",
                "slots": [{"name": "time"}],
                "split": "train",
            }
            for intent in ("alarm_set", "alarm_off", "lights")
            for text in texts
        ],
        "sgd_train.jsonl.gz": [
            {"text": f"{service} {intent} {text}", "intent": intent, "domain": service, "slots": [], "split": "train"}
            for service, intent in (("Buses_1", "FindBus"), ("Hotels_1", "FindHotel"), ("Banks_1", "CheckBalance"))
            for text in texts
        ],
        "sgd_dev.jsonl.gz": [
            {"text": f"alarm {text}", "intent": "AddAlarm", "domain": "Alarm_1", "slots": [], "split": "dev"}
            for text in texts
        ],
    }
    for name, files in FILES.items():
        (folder / name).mkdir()
        for file in files:
            with gzip.open(folder / name / file, "wt", encoding="utf-8") as lines:
                lines.writelines(json.dumps(row) + "\n" for row in rows[file])
    return folder


def test_what_may_be_trained_on(data: Path) -> None:
    assert {(each.intent, each.split) for each in trainable(data, "clinc150")} == {
        ("card_lost", "train"),
        ("play_music", "train"),
    }
    assert {each.intent for each in trainable(data, "sgd")} == {"FindBus", "FindHotel", "CheckBalance", "AddAlarm"}
    assert {each.intent for each in trainable(data, "sgd", held_out=True)} == {"FindHotel", "CheckBalance"}
    assert trainable(data, "hwu64")[0].slots == ("time",)
    assert not any(each.domain for each in load_intents(data, "clinc150") if each.intent == "oos")


def test_texts_by_label_are_drawn_whatever_their_order(data: Path) -> None:
    rows = trainable(data, "hwu64")
    drawn = by_label(rows, max_texts=2)
    assert drawn == by_label(rows[::-1], max_texts=2)
    assert {label: len(texts) for label, texts in drawn.items()} == {"alarm_off": 2, "alarm_set": 2, "lights": 2}
    assert len(by_label([*rows, *rows])["lights"]) == 6


@pytest.mark.parametrize(
    ("label", "words"), [("card_lost", "card lost"), ("FindBus", "find bus"), ("a.b", "a b"), ("Say_Hi", "say hi")]
)
def test_labels_as_words(label: str, words: str) -> None:
    assert named(label) == words


def test_a_set_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(AbsentDataSet, match="kshot data get hwu64"):
        load_intents(tmp_path, "hwu64")
