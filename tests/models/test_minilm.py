"""MiniLM: what transformers makes of the same weights, cut in two or whole, and with a delta as it is served."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from models.bases import find
from models.encoders.minilm import WEIGHT, MiniLM, _attended
from models.inputs.text import TextInput

TEXTS = ("play some jazz", "what is the weather in Paris tomorrow?", "no", "my card was stolen: block it, please")


@pytest.fixture(scope="module")
def tokens() -> Tensor:
    read = TextInput()
    return torch.stack([torch.from_numpy(read(text)) for text in TEXTS])[:, :12]


@pytest.fixture(scope="module")
def whole() -> MiniLM:
    return MiniLM()


@pytest.mark.filterwarnings("ignore")
def test_it_is_what_transformers_makes_of_the_weights(tokens: Tensor, whole: MiniLM) -> None:
    transformers = pytest.importorskip("transformers", reason="the reference is not installed")
    folder = find("minilm", "model.safetensors").parent
    reference = transformers.BertModel.from_pretrained(str(folder), add_pooling_layer=False).eval()
    mask = tokens != 0
    with torch.inference_mode():
        states = reference(tokens.long(), attention_mask=mask.long()).last_hidden_state * mask.unsqueeze(-1)
        torch.testing.assert_close(whole(tokens), states.sum(1) / mask.sum(1, keepdim=True), atol=1e-5, rtol=0)
        torch.testing.assert_close(MiniLM(output="tokens")(tokens)[:, :12], states, atol=1e-5, rtol=0)


def test_cut_in_two_it_is_the_same(tokens: Tensor, whole: MiniLM) -> None:
    states = MiniLM(output="tokens", last=4)(tokens)
    assert states.shape == (4, 64, 384)
    assert not states[tokens.new_zeros(4, 64).copy_(torch.nn.functional.pad(tokens, (0, 52))) == 0].any()
    torch.testing.assert_close(MiniLM(first=4)(states), whole(tokens), atol=1e-5, rtol=0)


def test_a_stem_and_its_tail_are_the_same(tokens: Tensor, whole: MiniLM) -> None:
    torch.manual_seed(0)
    encoder = MiniLM(trained=4, rank=3)
    for leaf in encoder.parameters():
        torch.nn.init.normal_(leaf, std=0.02)
    stem, tail = encoder.split()
    assert stem(tokens).shape == (*tokens.shape, 384)
    torch.testing.assert_close(tail(stem(tokens)), encoder(tokens), atol=1e-5, rtol=0)
    assert stem.words is encoder.words
    kinds = {type(part) for part in tail.modules() if not list(part.children())}
    assert kinds == {torch.nn.Linear, torch.nn.LayerNorm}
    assert {name.split(".")[2] for name, _ in tail.named_parameters()} >= {"query", "key", "value", "wide"}


def test_features_hold_the_means_of_other_layers_too_however_it_is_cut(tokens: Tensor) -> None:
    encoder = MiniLM(also=[0, 3, 5])
    assert encoder(tokens).shape[1] == encoder.num_features
    last, *others = encoder(tokens).split(384, -1)
    torch.testing.assert_close(last, torch.nn.functional.normalize(MiniLM()(tokens), dim=-1), atol=1e-5, rtol=0)
    entering = torch.nn.functional.normalize(MiniLM(last=3)(tokens), dim=-1)
    torch.testing.assert_close(others[1], WEIGHT**0.5 * entering, atol=1e-5, rtol=0)
    for stem, tail in (encoder.cut(4), encoder.split()):
        assert stem(tokens).shape[-1] == 3 * 384
        torch.testing.assert_close(tail(stem(tokens)), encoder(tokens), atol=1e-5, rtol=0)


def test_without_a_base_its_weights_are_its_own() -> None:
    encoder = MiniLM(None, sizes=(50, 8, 16), heads=2, last=1)
    other = MiniLM(None, sizes=(50, 8, 16), heads=2, last=1)
    other.load_state_dict(encoder.state_dict())
    some = torch.tensor([[3, 4, 5, 0]])
    torch.testing.assert_close(encoder(some), other(some))


def test_padding_and_an_empty_row_change_no_other(tokens: Tensor, whole: MiniLM) -> None:
    longer = torch.nn.functional.pad(tokens, (0, 20, 0, 1))
    torch.testing.assert_close(whole(longer)[:4], whole(tokens), atol=1e-5, rtol=0)
    assert whole(longer).isfinite().all()


def test_only_the_delta_is_trained_and_saved_and_it_is_added_once(tokens: Tensor, whole: MiniLM) -> None:
    torch.manual_seed(0)
    encoder = MiniLM(trained=4, rank=3)
    torch.testing.assert_close(encoder(tokens), whole(tokens))
    for name, leaf in encoder.named_parameters():
        torch.nn.init.normal_(leaf, std=0.02)
        assert name.startswith(("layers.4", "layers.5"))
    assert encoder.state_dict().keys() == dict(encoder.named_parameters()).keys()
    before, state = encoder(tokens), {name: leaf.clone() for name, leaf in encoder.state_dict().items()}
    assert (before - whole(tokens)).abs().max() > 0.01
    encoder.fuse()
    encoder.fuse()
    torch.testing.assert_close(encoder(tokens), before, atol=1e-5, rtol=0)
    assert all(torch.equal(leaf, state[name]) for name, leaf in encoder.state_dict().items())


@pytest.mark.parametrize("length", [4, 12, 20])
def test_served_in_bfloat16_on_a_cpu_it_attends_to_the_same_tokens(length: int) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 5, 2, length, 8, dtype=torch.bfloat16)
    mask = (torch.arange(length) < torch.tensor([[1], [2], [3], [4], [length]]))[:, None, None]
    with torch.inference_mode():
        wanted = scaled_dot_product_attention(query.float(), key.float(), value.float(), mask)
        found = _attended(query, key, value, mask)
        torch.testing.assert_close(found.float(), wanted, atol=0.03, rtol=0.01)
        key, value = key.where(mask.mT, 7), value.where(mask.mT, 7)  # what is padded is not looked at
        assert torch.equal(_attended(query, key, value, mask), found)


def test_an_unknown_output_is_refused() -> None:
    with pytest.raises(ValueError, match="words"):
        MiniLM(output="words")
