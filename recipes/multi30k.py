"""German to English on Multi30k: a recurrent translator with attention, word by word.

    python recipes/multi30k.py                       # small, about five minutes of CPU
    python recipes/multi30k.py --steps 9000 --hidden 512 --embed 256 --device cuda
    torchrun --nproc-per-node 2 recipes/multi30k.py  # two processes share the batches

A run that was stopped goes on when the same command is given again (`--fresh` begins
anew). Words seen less than `--least` times are unknown to the model; the text is lower
case. BLEU is sacrebleu's, lower case, against the raw references of the 2016 test set.
"""

import argparse
import json
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch
from tqdm.auto import tqdm

from attnkit.data import PairSet, Vocabulary, multi30k, multi30k_lines
from attnkit.rnn import Seq2Seq, beam_decode, translation_loss
from attnkit.train import fit, seed_everything

FOLDER = Path(".cache") / "multi30k"


def arguments() -> argparse.Namespace:
    """The settings of a run, from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--attention", default="additive", help="or none, general, ...")
    parser.add_argument("--feed", action="store_true", help="input feeding (slower)")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--batch", type=int, default=64, help="pairs per process")
    parser.add_argument("--embed", type=int, default=96)
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--least", type=int, default=5, help="fewer: unknown word")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--fresh", action="store_true", help="do not resume")
    return parser.parse_args()


def vocabulary(texts: list, least: int) -> Vocabulary:
    """Words seen at least `least` times, the most frequent first."""
    counts = Counter(word for text in texts for word in text)
    return Vocabulary(word for word, n in counts.most_common() if n >= least)


def sentence(words: list[str]) -> str:
    """Words and marks as running text."""
    text = re.sub(r" ([.,;:!?)\]])", r"\1", " ".join(words))
    return re.sub(r"([(\[]) ", r"\1", text)


@torch.no_grad()
def token_accuracy(model: Seq2Seq, pairs: PairSet, device: str) -> float:
    """Share of the words of the references that are the most probable next word."""
    right = total = 0
    for batch in pairs.batches(100, shuffle=False):
        batch = batch.to(device)
        best = model(batch.source, batch.target_in).argmax(-1)
        right += (best == batch.target_out)[batch.target_mask].sum().item()
        total += batch.target_mask.sum().item()
    return right / total


def translations(model: Seq2Seq, pairs: PairSet, beam: int, device: str) -> list[str]:
    """The model's sentences, in the order of the pairs."""
    order = sorted(range(len(pairs)), key=pairs.lengths.__getitem__)
    found: dict[int, str] = {}
    for i in tqdm(range(0, len(order), 50), desc="translating"):
        rows = order[i : i + 50]
        source = pairs[rows].tensors().source.to(device)
        tokens = beam_decode(
            model, source, max_steps=50, beam_size=beam, length_penalty=1.0
        ).tokens
        for row, line in zip(rows, tokens, strict=True):
            found[row] = sentence(pairs.vocabularies[1].decode(line))
    return [found[i] for i in range(len(pairs))]


def report(model: Seq2Seq, sets: dict[str, PairSet], history, options) -> dict:
    """Numbers of a finished run, and five sentences to look at."""
    import sacrebleu

    model.eval()
    said = translations(model, sets["test"], options.beam, options.device)
    reference = multi30k_lines("test", "en")
    bleu = sacrebleu.corpus_bleu(said, [reference], lowercase=True)
    for i in range(5):
        print(
            f"  {multi30k_lines('test', 'de')[i]}\n  = {said[i]}\n  : {reference[i]}\n"
        )
    return {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "steps": history.steps,
        "minutes": round(history.seconds / 60, 1),
        "loss": round(fmean(history.losses[-50:]), 3),
        "token accuracy (val)": round(
            token_accuracy(model, sets["val"], options.device), 4
        ),
        "BLEU (test 2016)": round(bleu.score, 2),
        "BLEU settings": f"beam {options.beam}, lower case, sacrebleu "
        f"{sacrebleu.__version__}",
    }


def main() -> None:
    """Train, or go on training, and report."""
    options = arguments()
    train = multi30k("train")
    words = tuple(
        vocabulary(side, options.least) for side in (train.source, train.target)
    )
    sets = {"train": train, "val": multi30k("val"), "test": multi30k("test")}
    sets = {name: replace(pairs, vocabularies=words) for name, pairs in sets.items()}
    seed_everything(options.seed)
    model = Seq2Seq(
        *map(len, words),
        embed_dim=options.embed,
        hidden_dim=options.hidden,
        attention=None if options.attention == "none" else options.attention,
        input_feeding=options.feed,
        dropout=options.dropout,
        attention_dim=options.hidden // 2,
    )
    history = fit(
        model,
        lambda number: sets["train"].batches(options.batch, seed=number),
        translation_loss,
        steps=options.steps,
        lr=options.lr,
        seed=options.seed,
        device=options.device,
        autocast=torch.bfloat16 if options.bfloat16 else None,
        checkpoint=options.folder / "run.pt",
        resume=not options.fresh,
    )
    if int(os.environ.get("RANK", 0)) == 0:
        numbers = report(model, sets, history, options)
        (options.folder / "result.json").write_text(json.dumps(numbers, indent=1))
        print(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
