"""The Transformer that writes captions: the interface of the recurrent decoder."""

from functools import partial

import pytest
import torch

from attnkit.data import BOS, EOS, PAD
from attnkit.data.clips import VOCABULARY
from attnkit.data.scenes import SceneBatch, scene_vocabulary, scenes
from attnkit.rnn.captioner import word_mask
from attnkit.rnn.captioning import caption_loss, report, train_image_captioner
from attnkit.rnn.regions import Captioner
from attnkit.rnn.video import FrameCNN, VideoCaptioner
from attnkit.rnn.video_page import ClipReader
from attnkit.transformer import POSITIONS, CaptionTransformer

B, M, D, K, V, T = 3, 6, 8, 5, 12, 4
every_position = pytest.mark.parametrize("position", POSITIONS)


def decoder(**options):
    torch.manual_seed(1)
    model = CaptionTransformer(
        V, D, **{"embed_dim": 12, "num_heads": 3, "num_layers": 2} | options
    )
    with torch.no_grad():
        for weight in model.double().parameters():
            weight.normal_(0, 0.5)
    return model.eval()


def example(seed=2):
    draw = torch.Generator().manual_seed(seed)
    memory = torch.randn(B, M, D, generator=draw, dtype=torch.float64)
    captions = torch.randint(4, V, (B, T), generator=draw)
    captions[:, 0] = BOS
    return memory, captions


@every_position
def test_the_logits_of_a_step_depend_on_no_later_word(position):
    memory, captions = example()
    model = decoder(position=position)
    changed = captions.clone()
    changed[:, 2] = (captions[:, 2] - 3) % 8 + 4
    one, two = model(memory, captions), model(memory, changed)
    torch.testing.assert_close(one[:, :2], two[:, :2])
    assert not torch.allclose(one[:, 2], two[:, 2])


@every_position
def test_generate_with_a_cache_is_forward_with_its_own_words(position):
    memory, _ = example()
    model = decoder(position=position)
    mask = torch.arange(M) < torch.tensor([[2], [6], [1]])
    ids, weights = model.generate(memory, mask=mask, max_len=7, need_weights=True)
    assert torch.equal(model.generate(memory, mask=mask, max_len=7), ids)
    fed = torch.cat([torch.full((B, 1), BOS), ids[:, :-1]], 1)
    logits, again = model(memory, fed, mask=mask, need_weights=True)
    logits[..., [PAD, BOS]] = -torch.inf
    real = word_mask(ids)
    assert (logits.argmax(-1)[real] == ids[real]).all()
    torch.testing.assert_close(weights[real], again[real])
    assert (weights[~real] == 0).all()


def test_weights_sum_to_one_over_the_places_that_the_mask_allows():
    memory, captions = example()
    mask = torch.arange(M) < torch.tensor([[2], [6], [1]])
    logits, weights = decoder()(memory, captions, mask=mask, need_weights=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, T, dtype=torch.float64))
    assert (weights[~mask[:, None].expand_as(weights)] == 0).all()
    short, alone = memory[:1, :2], captions[:1]
    torch.testing.assert_close(decoder()(short, alone), logits[:1])


def test_a_row_without_a_place_is_written_from_its_words_alone():
    memory, captions = example()
    mask = torch.tensor([[False], [True], [True]]).expand(B, M)
    model = decoder()
    logits, weights = model(memory, captions, mask=mask, need_weights=True)
    assert (weights[0] == 0).all() and logits.isfinite().all()
    other = model(memory.flip(0), captions, mask=mask)
    torch.testing.assert_close(other[0], logits[0])


def test_the_order_of_the_places_does_not_matter():
    memory, captions = example()
    order = torch.randperm(M, generator=torch.Generator().manual_seed(3))
    logits, weights = decoder()(memory, captions, need_weights=True)
    moved, theirs = decoder()(memory[:, order], captions, need_weights=True)
    torch.testing.assert_close(moved, logits)
    torch.testing.assert_close(theirs, weights[..., order])


def test_keys_decide_where_and_values_decide_what():
    memory, captions = example()
    model = decoder(key_dim=K, num_layers=1)
    draw = torch.Generator().manual_seed(4)
    keys = torch.randn(B, M, K, generator=draw, dtype=torch.float64)
    look = partial(model, captions=captions, need_weights=True)
    logits, weights = look(memory, keys=keys)
    other, same = look(2 * memory, keys=keys)
    torch.testing.assert_close(same, weights)
    assert not torch.allclose(other, logits)
    torch.testing.assert_close(look(memory, keys=keys.flip(1))[1], weights.flip(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"captions": torch.zeros(B, 0, dtype=torch.int64)}, "captions: .*none"),
        ({"captions": torch.full((B, T), V)}, f"captions: .*{V - 1}.*{V}"),
        ({"captions": torch.ones(B + 1, T, dtype=torch.int64)}, "captions: .*shape"),
        ({"memory": torch.zeros(B, M, D + 1)}, f"memory: .*{D}.*memory_dim"),
        ({"memory": torch.zeros(M, D)}, "memory: .*3 dimensions"),
        ({"keys": torch.zeros(B, M - 1, D)}, "keys: .*as in memory"),
        ({"keys": torch.zeros(B, M, D + 1)}, "key: .*projection"),
        ({"mask": torch.ones(B, M)}, "mask: .*bool"),
        ({"mask": torch.ones(B, M + 1, dtype=torch.bool)}, "mask: .*broadcast"),
    ],
)
def test_bad_input_is_named(change, message):
    memory, captions = example()
    given = {"memory": memory, "captions": captions} | change
    with pytest.raises(ValueError, match=message):
        decoder()(**given)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="position: expected one of"):
        CaptionTransformer(V, D, position="sharp")
    with pytest.raises(ValueError, match="num_layers: "):
        CaptionTransformer(V, D, num_layers=0)
    for option in ({"cross": False}, {"num_kv_heads": 1}):
        with pytest.raises(TypeError, match=f"argument '{next(iter(option))}'"):
            decoder(**option)
    layer = decoder(ff_dim=7, dropout=0.3, norm_first=False).layers[1]
    assert layer.feed_forward.inner.out_features == 7 and layer.dropout == 0.3
    assert layer.cross_attention.dropout == 0.3 and not layer.norm_first
    with pytest.raises(ValueError, match="max_len: "):
        decoder().generate(example()[0], max_len=0)


# ---------------------------------------------------------- in the place of a network

SMALL = partial(CaptionTransformer, embed_dim=16, num_heads=2)


def test_a_captioner_of_images_takes_it():
    data = scenes(70)
    model, history = train_image_captioner(
        data, steps=3, rows=2, columns=3, decoder=SMALL, progress=False
    )
    assert isinstance(model.decoder, CaptionTransformer) and history.steps == 3
    found = report(model, data)
    assert found.weights.shape == (*data.captions.shape, 6)
    torch.testing.assert_close(found.weights.sum(-1), torch.ones(data.captions.shape))
    batch = SceneBatch(data.images / 255, data.captions, data.targets)
    plain, covered = caption_loss(model, batch), caption_loss(model, batch, 1.0)
    assert covered > plain
    with pytest.raises(TypeError, match="expected a recurrent decoder, got Caption"):
        model.page_entries()


@pytest.mark.parametrize("encoder", ["rnn", "cnn", "transformer", None])
@pytest.mark.parametrize("reads", ["values", "keys"])
def test_a_captioner_of_clips_takes_it(encoder, reads):
    torch.manual_seed(1)
    model = VideoCaptioner(encoder, reads=reads, dim=8, decoder=SMALL).eval()
    values, captions = torch.randn(2, 5, 8), torch.full((2, 3), BOS)
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    logits, weights = model(values, captions, mask, need_weights=True)
    assert logits.shape == (2, 3, len(VOCABULARY))
    assert (weights[1, :, 3:] == 0).all()
    ids, looks = model.caption(values, mask, max_len=4)
    assert ids.shape == looks.shape[:2] and (ids.argmax(1) >= 0).all()
    with pytest.raises(ValueError, match="soft attention, got CaptionTransformer"):
        ClipReader(FrameCNN(8), model)


def test_it_learns_what_a_few_scenes_show():
    """Memory as given, words right after a few seconds: gradients reach every part."""
    torch.manual_seed(1)
    model = CaptionTransformer(V, D, embed_dim=24, num_heads=2)
    memory, captions = torch.randn(8, M, D), torch.randint(4, V, (8, 3))
    given = torch.cat([torch.full((8, 1), BOS), captions], 1)
    target = torch.cat([captions, torch.full((8, 1), EOS)], 1)
    moves = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(80):
        loss = torch.nn.functional.cross_entropy(model(memory, given).mT, target)
        moves.zero_grad()
        loss.backward()
        moves.step()
    assert torch.equal(model.generate(memory, max_len=4), target)


def test_the_recurrent_decoder_is_still_the_usual_one():
    names = Captioner(len(scene_vocabulary())).state_dict()
    assert "decoder.cell.weight_ih" in names and "decoder.score.v" in names
