import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.codec import Labelled, Measured, Targets, decode_support, support_digest
from service.errors import InvalidRequest, LimitExceeded
from service.schemas import Example, Kind

LABELS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


def example(**fields: Any) -> Example:
    return Example.model_validate({"input": [1.0]} | fields)


def decoded(examples: list[Example], kind: Kind, **limits: Any) -> Targets:
    return decode_support(examples, kind, **({"max_examples": 100, "max_ways": 10} | limits))


def fault(examples: list[Example], kind: Kind, **limits: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        decoded(examples, kind, **limits)
    return [(error.path, error.message) for error in caught.value.errors]


def test_labels_are_numbered_by_first_appearance() -> None:
    targets = decoded([example(label=label) for label in "babcb"], "classification")
    assert isinstance(targets, Labelled)
    assert targets.labels == ["b", "a", "c"]
    np.testing.assert_array_equal(targets.classes, [0, 1, 0, 2, 0])


@given(st.lists(LABELS, min_size=2, max_size=20))
def test_each_row_keeps_its_label(labels: list[str]) -> None:
    forms = {unicodedata.normalize("NFKC", label).strip() for label in labels}
    assume(len(forms) == len(set(labels)) > 1 and all(label.strip() for label in labels))
    targets = decoded([example(label=label) for label in labels], "classification", max_ways=20)
    assert isinstance(targets, Labelled)
    assert [targets.labels[way] for way in targets.classes] == labels


@pytest.mark.parametrize(
    "pair", [("é", "e\u0301"), ("\ufb01", "fi"), ("cat", "cat "), ("Å", "\u212b"), ("a\u00a0b", "a b"), ("Ａ", "A")]
)
def test_labels_that_look_alike_are_refused(pair: tuple[str, str]) -> None:
    [(path, message)] = fault([example(label=label) for label in (*pair, "other")], "classification")
    assert path == "support.1.label"
    assert "support.0" in message


@pytest.mark.parametrize("pair", [("a", "A"), ("0", "O"), ("l", "1"), ("е", "e")])
def test_labels_that_differ_in_more_than_form_are_two(pair: tuple[str, str]) -> None:
    targets = decoded([example(label=label) for label in pair], "classification")
    assert isinstance(targets, Labelled)
    assert targets.labels == list(pair)


def test_one_label_only_is_refused() -> None:
    [(path, message)] = fault([example(label="a"), example(label="a")], "classification")
    assert path == "support"
    assert "two labels" in message


def test_every_bad_example_is_named() -> None:
    rows = [example(label="a", id="x"), example(target=1, id="x"), example(label="b", target=1), example()]
    assert [path for path, _ in fault(rows, "classification")] == [
        "support.1.id",
        "support.1.label",
        "support.1.target",
        "support.2.target",
        "support.3.label",
    ]


def test_limits_are_checked_before_anything_else() -> None:
    rows = [example(label=str(position)) for position in range(11)]
    with pytest.raises(LimitExceeded, match="11 labels; at most 10"):
        decoded(rows, "classification")
    with pytest.raises(LimitExceeded, match="11 examples; at most 5"):
        decoded(rows, "classification", max_examples=5)


def test_targets_become_columns() -> None:
    numbers = decoded([example(target=1), example(target=2.5)], "regression")
    lists = decoded([example(target=[1]), example(target=[2.5])], "regression")
    assert isinstance(numbers, Measured) and isinstance(lists, Measured)
    assert (numbers.scalar, lists.scalar) == (True, False)
    np.testing.assert_array_equal(numbers.values, [[1], [2.5]])
    np.testing.assert_array_equal(numbers.values, lists.values)
    assert numbers.values.dtype == np.float32


@pytest.mark.parametrize("target", [[1.0, 2.0], [1.0], 1e16, -1e300])
def test_targets_that_do_not_fit_are_refused(target: float | list[float]) -> None:
    [(path, _)] = fault([example(target=1), example(target=target)], "regression")
    assert path == "support.1.target"


def test_the_digest_follows_inputs_labels_and_targets() -> None:
    rows = np.arange(4, dtype=np.float32).reshape(2, 2)
    first = decoded([example(label="a"), example(label="b")], "classification")
    renamed = decoded([example(label="a"), example(label="c")], "classification")
    measured = decoded([example(target=0), example(target=1)], "regression")
    digests = {
        support_digest(rows, first),
        support_digest(rows, renamed),
        support_digest(rows, measured),
        support_digest(rows + 1, first),
        support_digest(rows.T, first),
        support_digest(rows.reshape(2, 2, 1), first),
    }
    assert len(digests) == 6
    assert support_digest(rows.copy(order="F"), first) == support_digest(rows, first)


def test_more_examples_are_numbered_after_those_kept() -> None:
    kept = [example(label="b"), example(label="a")]
    found = decoded([example(label="c"), example(label="b")], "classification", kept=kept)
    assert isinstance(found, Labelled)
    assert (found.labels, found.classes.tolist()) == (["b", "a", "c"], [0, 1, 2, 0])
    one = decoded([example(label="b")], "classification", kept=kept)  # alone it would be one label only
    assert isinstance(one, Labelled) and one.labels == ["b", "a"]


def test_more_targets_must_be_as_those_kept() -> None:
    kept = [example(target=[1.0, 2.0])]
    found = decoded([example(target=[3.0, 4.0])], "regression", kept=kept)
    assert isinstance(found, Measured)
    assert found.values.tolist() == [[1, 2], [3, 4]] and not found.scalar
    (wrong,) = fault([example(target=[3.0, 4.0]), example(target=5.0)], "regression", kept=kept)
    assert wrong == ("support.1.target", "expected a list of 2 numbers, as in the task")


def test_more_labels_must_not_look_like_those_kept() -> None:
    kept = [example(label="a"), example(label="b")]
    ((path, message),) = fault([example(label="a"), example(label="a ")], "classification", kept=kept)
    assert path == "support.1.label" and "of the task" in message


def test_the_limits_count_what_is_kept() -> None:
    kept = [example(label="a"), example(label="b")]
    for limits in ({"max_examples": 2}, {"max_ways": 2}):
        with pytest.raises(LimitExceeded):
            decoded([example(label="c")], "classification", kept=kept, **limits)
