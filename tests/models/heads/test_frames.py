"""The head of frames: its two classifiers are of different sizes."""

import torch

from models.heads.frames import TAG, Frames
from models.types import Classes, Support, Tags, full_rows

ROWS, WORDS, SLOTS, WIDTH = 40, 60, 48, 192


def test_many_words_of_few_intents_are_adapted_to() -> None:
    draw = torch.Generator().manual_seed(0)
    rows = full_rows(torch.randn(1, ROWS, 2 + WORDS, WIDTH, generator=draw))
    intents = Classes((torch.arange(ROWS) % 2)[None], torch.ones(1, 2, dtype=torch.bool))
    words = 2 * torch.randint(SLOTS, (1, ROWS, WORDS), generator=draw)
    head = Frames(WIDTH, 2)
    support = Support(rows, Tags(intents, words, torch.ones(1, SLOTS, dtype=torch.bool)))
    with torch.inference_mode():
        params = head.adapt(support)
        sentences, tagged, _ = head._parts(support)
        alone, of_words = head.intents.adapt(sentences), head.tags.adapt(tagged)
    torch.testing.assert_close(params["weight"], alone["weight"])
    torch.testing.assert_close(params[TAG + "weight"], of_words["weight"])
