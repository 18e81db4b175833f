"""The head of frames: its two classifiers are of different sizes."""

import torch

from models.heads.frames import TAG, Frames, shown
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


def test_slots_are_trusted_by_how_many_examples_show_them() -> None:
    rows = full_rows(torch.randn(1, 8, 2 + 3, 16, generator=torch.Generator().manual_seed(0)))
    intents = Classes((torch.arange(8) % 2)[None], torch.ones(1, 2, dtype=torch.bool))
    words = torch.zeros(1, 8, 3, dtype=torch.int64)
    words[0, :6, 1], words[0, ::4, 0] = 3, 1  # six texts show the second slot, two the first
    head = Frames(16, 2)
    head.trust.copy_(torch.tensor([[0.0, 1.0], [0.5, 0.0], [0.0, 0.25]]))
    with torch.inference_mode():
        params = head.adapt(Support(rows, Tags(intents, words, torch.ones(1, 3, dtype=torch.bool))))
        trust = head.predict(params, rows).trust
    torch.testing.assert_close(shown(params), torch.tensor([[2.0, 6.0]]))
    expected = [[1 + num, 0.5, 0.25 * torch.tensor(1 + num).log().item()] for num in (2.0, 6.0)]
    torch.testing.assert_close(trust, torch.tensor([expected]))
