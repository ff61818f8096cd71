"""German to English on Multi30k: a translator, recurrent or a Transformer.

    python recipes/multi30k.py                       # recurrent, word by word, small
    python recipes/multi30k.py --model transformer   # subwords, small
    python recipes/multi30k.py --base --device cuda --bfloat16   # the paper's size
    torchrun --nproc-per-node 2 recipes/multi30k.py  # two processes share the batches

The settings of all three stand in `SETTINGS`; an option of the same name changes one.
A run that was stopped goes on when the same command is given again (`--fresh` begins
anew); with other settings it is another run, with its own checkpoint. With `--pieces 0`
a symbol is a word, and words seen less than `--least` times are unknown to the model;
else it is one of so many subwords, which are learned from the training texts. The text
is lower case. BLEU is sacrebleu's, lower case, against the raw references of the 2016
test set.
"""

import argparse
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from attnkit.data import PairSet, Vocabulary, multi30k, multi30k_lines
from attnkit.data.subwords import SPACE, Subwords
from attnkit.data.vocabulary import SPECIALS
from attnkit.rnn import Seq2Seq
from attnkit.search import Decoded, beam_decode
from attnkit.train import History, fit, seed_everything
from attnkit.transformer import Transformer, warm_up
from attnkit.translation import translation_loss

FOLDER = Path(".cache") / "multi30k"
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Settings:
    """A model and its training. `pieces` 0: words. `warm` 0: one cycle up to `lr`; else
    the paper's rate with so many steps of warm-up, times `lr`, and post-norm."""

    steps: int
    batch: int
    embed: int
    hidden: int
    dropout: float
    lr: float
    pieces: int = 0
    layers: int = 1
    heads: int = 1
    smoothing: float = 0.0
    warm: int = 0


SETTINGS = {
    "rnn": Settings(900, 64, 96, 192, 0.2, 3e-3),
    "transformer": Settings(
        3000, 64, 128, 256, 0.1, 2e-3, pieces=5000, layers=3, heads=4, smoothing=0.1
    ),
    "base": Settings(
        20_000, 256, 512, 2048, 0.1, 1.0, 8000, layers=6, heads=8, smoothing=0.1,
        warm=4000,
    ),
}  # fmt: skip


def arguments() -> argparse.Namespace:
    """The options of a run, from the command line; `settings` has what they choose."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=("rnn", "transformer"), help="default: rnn")
    parser.add_argument("--base", action="store_true", help="a Transformer, base size")
    parser.add_argument("--attention", default="additive", help="of rnn: or none, ...")
    parser.add_argument("--feed", action="store_true", help="rnn: input feeding")
    for field in fields(Settings):
        parser.add_argument(f"--{field.name}", type=field.type)
    parser.add_argument("--least", type=int, default=5, help="fewer: unknown word")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--folder", type=Path, help=f"{FOLDER}/rnn, /transformer, ...")
    parser.add_argument("--fresh", action="store_true", help="do not resume")
    options = parser.parse_args()
    if options.base and options.model == "rnn":
        parser.error("argument --base: a Transformer's size; not with --model rnn")
    options.model = options.model or ("transformer" if options.base else "rnn")
    name = "base" if options.base else options.model
    given = {f.name: getattr(options, f.name) for f in fields(Settings)}
    given = {key: value for key, value in given.items() if value is not None}
    options.settings = replace(SETTINGS[name], **given)
    options.folder = options.folder or FOLDER / name
    return options


# ---------------------------------------------------------------------------- data


def vocabulary(texts: Sequence[Sequence[str]], least: int) -> Vocabulary:
    """Words seen at least `least` times, the most frequent first."""
    counts = Counter(word for text in texts for word in text)
    return Vocabulary(word for word, n in counts.most_common() if n >= least)


def sentence(words: Sequence[str]) -> str:
    """Words and marks as running text."""
    text = re.sub(r" ([.,;:!?)\]])", r"\1", " ".join(words))
    return re.sub(r"([(\[]) ", r"\1", text)


Data = tuple[dict[str, PairSet], Callable[[Sequence[str]], str]]


def in_words(least: int) -> Data:
    """The three splits as words, and what makes text of words."""
    sets = {split: multi30k(split) for split in SPLITS}
    sides = sets["train"].source, sets["train"].target
    known = tuple(vocabulary(side, least) for side in sides)
    sets = {name: replace(pairs, vocabularies=known) for name, pairs in sets.items()}
    return sets, sentence


def in_pieces(size: int) -> Data:
    """The three splits as subwords of both languages, and what makes text of them."""
    subwords = Subwords(
        multi30k_lines("train", "de") + multi30k_lines("train", "en"), size
    )
    sets = {}
    for split in SPLITS:
        german, english = (
            [subwords.split(line) for line in multi30k_lines(split, side)]
            for side in ("de", "en")
        )
        nowhere = [[()] * len(line) for line in english]
        both = (subwords.vocabulary, subwords.vocabulary)
        sets[split] = PairSet(german, [tuple(line) for line in english], nowhere, both)
    return sets, subwords.join


# -------------------------------------------------------------------------- training


def make_model(options: argparse.Namespace, sizes: Sequence[int]) -> nn.Module:
    """The translator of the settings. With subwords, a Transformer's two embeddings
    and its output layer are one matrix, as in the paper."""
    chosen = options.settings
    if options.model == "rnn":
        return Seq2Seq(
            *sizes,
            embed_dim=chosen.embed,
            hidden_dim=chosen.hidden,
            attention=None if options.attention == "none" else options.attention,
            input_feeding=options.feed,
            dropout=chosen.dropout,
            attention_dim=chosen.hidden // 2,
        )
    model = Transformer(
        *sizes,
        embed_dim=chosen.embed,
        num_heads=chosen.heads,
        num_layers=chosen.layers,
        ff_dim=chosen.hidden,
        dropout=chosen.dropout,
        norm_first=not chosen.warm,
    )
    if chosen.pieces:
        model.source_embedding = model.target_embedding
    return model


def checkpoint(options: argparse.Namespace) -> Path:
    """The run's own file: its name tells all that a training depends on."""
    names = ("model", "attention", "feed", "least", "seed", "bfloat16")
    known = {name: getattr(options, name) for name in names} | asdict(options.settings)
    code = zlib.crc32(json.dumps(known, sort_keys=True).encode())
    return options.folder / f"run-{code:08x}.pt"


def train(model: nn.Module, pairs: PairSet, options: argparse.Namespace) -> History:
    """Train, or go on training."""
    chosen, optimizer = options.settings, None
    schedule: Any = "one_cycle"
    if options.model == "transformer":
        optimizer = partial(torch.optim.Adam, betas=(0.9, 0.98), eps=1e-9)
    if chosen.warm:
        schedule = partial(warm_up, embed_dim=chosen.embed, warm=chosen.warm)
    return fit(
        model,
        lambda number: pairs.batches(chosen.batch, seed=number),
        partial(translation_loss, label_smoothing=chosen.smoothing),
        steps=chosen.steps,
        lr=chosen.lr,
        schedule=schedule,
        optimizer=optimizer,
        seed=options.seed,
        device=options.device,
        autocast=torch.bfloat16 if options.bfloat16 else None,
        checkpoint=checkpoint(options),
        resume=not options.fresh,
    )


# ---------------------------------------------------------------------------- report


@torch.no_grad()
def next_symbol_accuracy(model: nn.Module, pairs: PairSet, device: str) -> float:
    """Share of the symbols of the references that are the most probable next one,
    after those before it in the reference (teacher forcing)."""
    right = total = 0
    for batch in pairs.batches(100, shuffle=False):
        batch = batch.to(device)
        best = model(batch.source, batch.target_in, batch.source_mask).argmax(-1)
        right += (best == batch.target_out)[batch.target_mask].sum().item()
        total += batch.target_mask.sum().item()
    return right / total


def decode(model: nn.Module, pairs: PairSet, options: argparse.Namespace) -> Decoded:
    """The best translation of each pair's source."""
    source = pairs.tensors().source.to(options.device)
    return beam_decode(
        model, source, max_steps=80, beam_size=options.beam, length_penalty=1.0
    )


def translations(
    model: nn.Module, pairs: PairSet, join: Callable, options: argparse.Namespace
) -> list[str]:
    """The model's sentences, in the order of the pairs."""
    order = sorted(range(len(pairs)), key=pairs.lengths.__getitem__)
    found: dict[int, str] = {}
    for i in tqdm(range(0, len(order), 50), desc="translating"):
        rows = order[i : i + 50]
        tokens = decode(model, pairs[rows], options).tokens
        for row, line in zip(rows, tokens, strict=True):
            found[row] = join(pairs.vocabularies[1].decode(line))
    return [found[i] for i in range(len(pairs))]


def label(piece: str) -> str:
    """A piece as it is shown: a dot before what goes on with a word."""
    inside = piece[0].isalnum() and piece not in SPECIALS
    return f"·{piece}" if inside else piece.removeprefix(SPACE) or SPACE


def draw_maps(
    model: nn.Module, pairs: PairSet, options: argparse.Namespace, count: int = 4
) -> None:
    """A picture of where the model looked while it wrote some short sentences."""
    import matplotlib.pyplot as plt

    from attnkit import plot

    plot.use_style()
    shown = label if options.settings.pieces else str
    short = [i for i, n in enumerate(pairs.lengths) if n <= 12][:count]
    figure, axes = plot.panels(2, 2, height=4.6)
    for i, ax in zip(short, axes.flat, strict=False):
        done = decode(model, pairs[i], options)
        written = [pairs.vocabularies[1].symbols[t] for t in done.tokens[0]]
        weights = done.weights[0].float().cpu()
        words = [shown(w) for w in pairs.source[i]], [shown(w) for w in written]
        plot.alignment(*words, weights, ax=ax)
        ax.set(xlabel=None, ylabel=None)
        plt.setp(ax.get_xticklabels(), rotation=55, ha="left", rotation_mode="anchor")
    for ax in axes.flat[len(short) :]:
        ax.axis("off")
    (options.folder / "maps.png").write_bytes(plot.png(figure))
    plt.close(figure)


def report(
    model: nn.Module, sets: dict[str, PairSet], said: list[str], history, options
) -> dict[str, Any]:
    """Numbers of a finished run."""
    import sacrebleu

    reference = multi30k_lines("test", "en")
    bleu = sacrebleu.corpus_bleu(said, [reference], lowercase=True)
    return {
        "model": options.model,
        "settings": asdict(options.settings) | {"seed": options.seed},
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "symbols": [len(known) for known in sets["train"].vocabularies],
        "steps": history.steps,
        "minutes": round(history.seconds / 60, 1),
        "loss": round(fmean(history.losses[-50:]), 3),
        "next-symbol accuracy (val)": round(
            next_symbol_accuracy(model, sets["val"], options.device), 4
        ),
        "BLEU (test 2016)": round(bleu.score, 2),
        "BLEU settings": f"beam {options.beam}, lower case, sacrebleu "
        f"{sacrebleu.__version__}",
    }


def main() -> None:
    """Train, or go on training, and report: numbers, sentences and maps."""
    options = arguments()
    pieces = options.settings.pieces
    sets, join = in_pieces(pieces) if pieces else in_words(options.least)
    seed_everything(options.seed)
    model = make_model(options, [len(known) for known in sets["train"].vocabularies])
    history = train(model, sets["train"], options)
    if int(os.environ.get("RANK", 0)) > 0:
        return
    model.eval()
    said = translations(model, sets["test"], join, options)
    (options.folder / "test.en").write_text("\n".join(said) + "\n", encoding="utf8")
    lines = (multi30k_lines("test", side)[:5] for side in ("de", "en"))
    for german, english, mine in zip(*lines, said, strict=False):
        print(f"  {german}\n  = {mine}\n  : {english}\n")
    numbers = report(model, sets, said, history, options)
    (options.folder / "result.json").write_text(json.dumps(numbers, indent=1))
    print(json.dumps(numbers, indent=1))
    if options.model == "transformer" or options.attention != "none":
        draw_maps(model, sets["test"], options)


if __name__ == "__main__":
    main()
