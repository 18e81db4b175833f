"""Texts with several labels: what is drawn, and that the best variant is told in per cent."""

from collections.abc import Iterator

import numpy as np

from benchmarks.multilabel import Texts, _best, drawn, of
from models.data.frames import Frame


def texts(hot: np.ndarray) -> Texts:
    return Texts([str(number) for number in range(len(hot))], np.arange(len(hot))[:, None], hot)


def test_each_label_is_drawn_as_often_as_asked_and_more_hold_fewer() -> None:
    pool = texts(np.random.default_rng(0).random((200, 5)) < [0.5, 0.1, 0.2, 0.1, 0.3])
    few, many = drawn(pool, 5, 3), drawn(pool, 10, 3)
    assert (few.hot.sum(0) >= 5).all() and (many.hot.sum(0) >= 10).all()
    assert len(set(many.texts)) == len(many.texts) and len(few.texts) < len(many.texts)
    assert drawn(pool, 5, 3).texts == few.texts != drawn(pool, 5, 4).texts


def test_labels_are_the_names_of_slots() -> None:
    frames = [Frame("play jazz", "play", "x", (("genre", 5, 9),)), Frame("play", "play", "x", ())]
    assert of(["artist", "genre"], frames).hot.tolist() == [[False, True], [False, False]]


def test_the_best_variant_is_told_in_per_cent() -> None:
    asked = texts(np.array([[True, False], [False, False]]))

    def answers(shown: Texts, asked: Texts) -> Iterator[tuple[str, np.ndarray]]:
        yield "bad", np.zeros((2, 2))
        yield "good", np.array([[0.9, 0.1], [0.6, 0.1]])

    assert _best(["a", "b"], answers, [asked], asked)[0, 0] == 50.0
