"""Eye, keys and captioner: what is local stays local, what is masked stays out."""

import pytest
import torch
from torch import Tensor

from attnkit.attend import attend
from attnkit.data import EOS, PAD
from attnkit.data.clips import VOCABULARY
from attnkit.rnn import (
    ClipReader,
    FrameCNN,
    TemporalAttention,
    VideoCaptioner,
    VideoRecipe,
    evaluate_clips,
    held_out_clips,
    right_words,
    train_captioner,
    train_eye,
    training_clips,
)
from attnkit.rnn.captioner import CaptionDecoder
from attnkit.rnn.video_keys import ENCODERS, cut, paste, waves

KINDS = sorted(ENCODERS)
every_encoder = pytest.mark.parametrize("kind", KINDS)


def clip(frames: int = 8, batch: int = 2) -> Tensor:
    torch.manual_seed(5)
    return torch.rand(batch, frames, 3, 16, 16)


def made(kind: str | None = "rnn", **options) -> VideoCaptioner:
    torch.manual_seed(6)
    return VideoCaptioner(kind, hidden_dim=24, **options).eval()


def values(frames: int = 8, batch: int = 2) -> Tensor:
    torch.manual_seed(7)
    return torch.rand(batch, frames, 48)


def test_a_value_depends_on_its_own_frame_and_the_one_before() -> None:
    eye, frames = FrameCNN().eval(), clip()
    other = frames.clone()
    other[:, 3] = torch.rand(2, 3, 16, 16)
    apart = (eye(frames) - eye(other)).abs().amax((0, 2))
    assert (apart > 0).nonzero()[:, 0].tolist() == [3, 4]


def test_bytes_and_floats_are_the_same_picture() -> None:
    eye = FrameCNN().eval()
    pixels = torch.randint(0, 256, (2, 4, 3, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(eye(pixels), eye(pixels.float() / 255))
    torch.testing.assert_close(eye.watch(pixels, size=1), eye(pixels))


def test_a_masked_frame_is_cut_out_of_the_clip() -> None:
    eye, frames = FrameCNN().eval(), clip()
    mask = torch.tensor([[1, 0, 1, 1, 0, 1, 1, 1], [1] * 8]).bool()
    found = eye(frames, mask)
    torch.testing.assert_close(found[0, mask[0]], eye(frames[:1, mask[0]])[0])
    torch.testing.assert_close(found[1], eye(frames[1:])[0])
    assert not found[~mask].any()


def test_cut_and_paste_lead_back() -> None:
    x = values()
    mask = torch.rand(2, 8) < 0.5
    front, there, order = cut(x, mask)
    assert there.sum(1).equal(mask.sum(1))
    assert (there.int().diff(dim=1) <= 0).all()
    assert torch.equal(paste(front, there, order), x * mask[..., None])


@every_encoder
def test_keys_do_not_see_masked_frames(kind: str) -> None:
    keys, x = ENCODERS[kind]().eval(), values()
    mask = torch.tensor([[1, 1, 0, 1, 0, 1, 0, 0], [0, 1, 1, 1, 1, 1, 1, 1]]).bool()
    found = keys(x, mask)
    other = keys(torch.where(mask[..., None], x, 9.0), mask)
    torch.testing.assert_close(found, other)
    for b in range(2):  # the same as a clip without these frames
        alone = keys(x[b : b + 1, mask[b]])[0]
        torch.testing.assert_close(found[b, mask[b]], alone, atol=1e-5, rtol=1e-4)
    assert not found[~mask].any()


@every_encoder
def test_the_horizon_of_each_encoder(kind: str) -> None:
    keys, x = ENCODERS[kind]().eval(), values(24, 1)
    torch.manual_seed(1)
    probe = x.clone().requires_grad_(True)
    (keys(probe)[0, 12] * torch.randn(64)).sum().backward()
    seen = (probe.grad[0].abs().sum(-1) > 0).nonzero()[:, 0].tolist()
    assert seen == (list(range(5, 20)) if kind == "cnn" else list(range(24)))


def test_only_the_transformer_without_waves_would_see_a_set() -> None:
    order = torch.randperm(8)
    for kind in KINDS:
        keys, x = ENCODERS[kind]().eval(), values()
        apart = (keys(x[:, order]) - keys(x)[:, order]).abs().max()
        assert apart > 1e-3
    assert torch.equal(waves(16, 8)[:8], waves(8, 8))
    assert waves(50, 32).unique(dim=0).shape[0] == 50


def test_temporal_attention_is_the_look_of_the_decoder() -> None:
    model, x = made(), values()
    memory, keys = model.encode(x)
    state = model.decoder.start(memory)
    attention = TemporalAttention(24, 48, 64)
    attention.score.load_state_dict(model.decoder.score.state_dict())
    mask = torch.rand(2, 8) < 0.7
    context, weights = attention(
        state[:, None], memory, keys, mask=mask, need_weights=True
    )
    look = model.decoder.look(state, memory, keys, mask)
    torch.testing.assert_close(context[:, 0], look.context)
    torch.testing.assert_close(weights[:, 0], look.weights)
    plain = attend(state[:, None], keys, memory, score=attention.score)
    torch.testing.assert_close(attention(state[:, None], memory, keys), plain)


@every_encoder
def test_a_clip_of_one_frame_and_one_without_any(kind: str) -> None:
    model = made(kind)
    ids, weights = model.caption(values(1), max_len=5)
    rows = ids != PAD
    assert torch.equal(weights[..., 0], rows.float())
    nothing = torch.zeros(2, 8, dtype=torch.bool)
    ids, weights = model.caption(values(), nothing, max_len=5)
    assert not weights.any() and torch.equal(ids[0], ids[1])
    logits = model(values(), ids, nothing)
    assert logits.isfinite().all()
    torch.testing.assert_close(logits, model(torch.zeros(2, 8, 48), ids, nothing))


def test_mean_reads_every_frame_alike() -> None:
    model = made(None, attention="mean")
    _, weights = model(values(), torch.ones(2, 3, dtype=torch.long), need_weights=True)
    torch.testing.assert_close(weights, torch.full((2, 3, 8), 1 / 8))
    a = model(values(), torch.ones(2, 3, dtype=torch.long))
    b = model(values()[:, torch.randperm(8)], torch.ones(2, 3, dtype=torch.long))
    torch.testing.assert_close(a, b)


def test_right_words_pads_and_cuts() -> None:
    captions = torch.tensor([[1, 5, 6, EOS], [1, 7, EOS, PAD]])
    right, counts = right_words(torch.tensor([[5, 9], [7, EOS]]), captions)
    assert right.tolist() == [[True, False, False], [True, True, True]]
    assert counts.tolist() == [[True, True, True], [True, True, False]]
    longer = torch.tensor([[5, 6, EOS, 8], [7, EOS, PAD, PAD]])
    assert right_words(longer, captions)[0].all()


def test_measures_of_a_model_that_reads_the_truth() -> None:
    clips = held_out_clips(3, 40)

    class Knows(VideoCaptioner):
        def forward(self, values, captions, mask=None, *, need_weights=False):
            share = clips.truth / clips.truth.sum(-1, keepdim=True).clamp(min=1)
            return None, share

        def caption(self, values, mask=None, *, max_len=30):
            return clips.captions[:, 1:], None

    scores = evaluate_clips(Knows(), values(16, 40), clips)
    assert scores.words == scores.exact == scores.pointing == 1.0
    assert scores.mass == pytest.approx(1.0)
    assert scores.kinds == {"colour": 1.0, "shape": 1.0, "motion": 1.0}
    assert 0.05 < scores.chance < 0.13


def test_training_learns_and_repeats_itself() -> None:
    recipe = VideoRecipe(clips=200, eye_steps=40, steps=25)
    clips = training_clips(2, 200)
    eye, _, log = train_eye(clips, seed=2, recipe=recipe, progress=False)
    assert sum(log.losses[-5:]) < 0.75 * sum(log.losses[:5])
    assert not any(p.requires_grad for p in eye.parameters())
    seen = eye.watch(clips.frames)
    runs = [
        train_captioner(seen, clips.captions, "cnn", recipe=recipe, progress=False)[1]
        for _ in range(2)
    ]
    assert runs[0].losses == runs[1].losses
    assert sum(runs[0].losses[-5:]) < 0.7 * sum(runs[0].losses[:5])


def test_the_page_computes_what_the_models_compute() -> None:
    frames = clip(6, 1)
    for kind in KINDS:
        reader = ClipReader(FrameCNN(), made(kind)).eval()
        (encode, inputs), (step, known) = reader.page_entries(6).values()
        assert inputs["frames"].shape == frames.shape
        found = dict(zip(encode.output_names, encode(frames), strict=True))
        for name, value in reader.encode(frames).items():
            torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-4)
        out = step(known["token"], **found)
        for one, other in zip(out, (0, 1, 2), strict=True):
            wanted = reader.step(known["token"], **found)
            name = step.output_names.index(("logits", "state", "weights")[other])
            torch.testing.assert_close(out[name], wanted[other])
            assert one.isfinite().all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: FrameCNN()(clip()[..., :12]), r"frames: expected .* 16, 12\)"),
        (lambda: FrameCNN()(clip()[:, :0]), "frames: expected .* at least one frame"),
        (lambda: FrameCNN()(clip()[0]), "frames: expected .* got shape"),
        (lambda: FrameCNN()(clip(), torch.ones(2, 8)), "mask: expected booleans"),
        (
            lambda: FrameCNN()(clip(), torch.ones(2, 7, dtype=torch.bool)),
            r"mask: expected booleans of shape \(2, 8\)",
        ),
        (lambda: made("lstm"), "encoder: expected rnn, cnn, transformer or None"),
        (lambda: made(reads="frames"), "reads: expected values or keys"),
        (lambda: made(attention="sum"), "attention: expected one of"),
        (lambda: made()(values()[..., :9], torch.ones(2, 3).long()), "values: .*48"),
        (
            lambda: made()(values(), torch.full((2, 3), len(VOCABULARY))),
            "captions: expected",
        ),
        (
            lambda: train_captioner(values(), torch.ones(3, 4).long()),
            "captions: expected as many as values and at least 64, got 3 for 2",
        ),
        (
            lambda: ClipReader(FrameCNN(), made(attention="mean")),
            "captioner: expected soft attention, got mean",
        ),
    ],
)
def test_bad_input_is_named(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_options_beside_a_decoder_are_refused_and_the_recipe_gives_none() -> None:
    def own(size: int, memory_dim: int, *, key_dim: int) -> CaptionDecoder:
        return CaptionDecoder(size, memory_dim, key_dim=key_dim, hidden_dim=9)

    told = "options: expected none beside decoder, got num_layers; use functools"
    with pytest.raises(TypeError, match=told):
        VideoCaptioner(decoder=own, num_layers=3)
    recipe = VideoRecipe(size=2, steps=1, hidden_dim=20)
    for decoder, width in ((own, 9), (None, 20)):
        model, _ = train_captioner(
            values(), torch.ones(2, 4).long(), recipe=recipe, progress=False,
            decoder=decoder,
        )  # fmt: skip
        assert model.decoder.cell.hidden_size == width


def test_what_is_no_tensor_is_named() -> None:
    with pytest.raises(TypeError, match="frames: expected a tensor, got list"):
        FrameCNN()([[0.0]])
    with pytest.raises(TypeError, match="mask: expected a tensor, got list"):
        FrameCNN()(clip(), [True])
