"""Tags as slots of the text that was sent, whatever it holds; and frames as forms that can be read again."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.chain import best
from models.inputs.frame import FrameInput
from models.inputs.text import InvalidText
from service.codec.frames import form_of, frames
from service.schemas import FoundSlot

FRAME = FrameInput()


@settings(deadline=None)
@example("\x3a\ua9ba", 0)  # a mark that is a word of its own, behind another
@given(st.text(st.characters(), min_size=1, max_size=80), st.integers(0, 1000))
def test_slots_of_any_text_and_any_scores_are_parts_of_it(text: str, seed: int) -> None:
    try:
        row = FRAME(text)
    except InvalidText:
        return
    draw = np.random.default_rng(seed)
    lengths = np.array([max(1, len(FRAME.borders(row)))])
    tags = best(draw.normal(size=(1, 60, 5)) * 9, draw.normal(size=10), lengths)
    [answer] = frames(["a", "b"], ["x", "y"], np.array([[0.2, 0.8]]), tags, np.ones((1, 60)), [text], row[None], None)
    assert answer.label == "b"
    end = 0
    for slot in answer.slots:
        assert end <= slot.start < slot.end <= len(text)
        assert slot.text == text[slot.start : slot.end] != ""
        end = slot.end


def test_forms_quote_what_is_no_plain_name() -> None:
    slots = [
        FoundSlot(name=name, start=0, end=1, text=text, score=1.0) for name, text in [("a", 'x "y"'), ("b c", "é")]
    ]
    assert form_of("play_music", slots) == '(play_music (a "x \\"y\\"") ("b c" "é"))'
    assert form_of("(odd)", []) == '("(odd)")'
