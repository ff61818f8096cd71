"""Real corpora: Multi30k, image captions in English and German (task 1, raw)."""

import gzip
import hashlib
import re
from pathlib import Path

from .download import cache_folder, fetch
from .pairs import PairSet

ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
FILES = {"train": "train", "val": "val", "test": "test_2016_flickr"}
SIZES = {"train": 29_000, "val": 1_014, "test": 1_000}
CHECKSUMS = {  # sha256 of the text, unpacked: independent of how it was packed
    "test_2016_flickr.de.gz": (
        "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16"
    ),
    "test_2016_flickr.en.gz": (
        "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"
    ),
    "train.de.gz": ("2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72"),
    "train.en.gz": ("460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6"),
    "val.de.gz": ("660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660"),
    "val.en.gz": ("1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227"),
}
_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")


def text_digest(path: Path) -> str:
    """The sha256 checksum of the text in a gzip file."""
    with gzip.open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def words(line: str) -> list[str]:
    """Lower-case words and punctuation marks: a simple, reversible-enough split."""
    return _WORD.findall(line.lower())


def multi30k_lines(split: str, language: str, *, progress: bool = True) -> list[str]:
    """The raw lines of one side of one split.

    Files are looked for in `multi30k/` of the cache folder (`ATTNKIT_DATA`, else
    `~/.cache/attnkit`), checked, and downloaded from the data set's own repository if
    they are missing or broken. The set is for research; do not pass it on.

    Args:
        split: "train" (29,000 pairs), "val" (1,014) or "test" (1,000, Flickr 2016).
        language: "de" or "en".
        progress: show a progress bar while downloading.

    Raises:
        ValueError: another split or language.
        RuntimeError: the file is not there and cannot be downloaded; says what to do.

    Source:
        Elliott et al. 2016 (arXiv:1605.00459).
    """
    if split not in FILES:
        raise ValueError(f"split: expected one of {', '.join(FILES)}; got {split!r}")
    if language not in ("de", "en"):
        raise ValueError(f"language: expected 'de' or 'en', got {language!r}")
    name = f"{FILES[split]}.{language}.gz"
    path = fetch(
        f"{ADDRESS}/{name}",
        cache_folder() / "multi30k" / name,
        CHECKSUMS[name],
        digest=text_digest,
        progress=progress,
    )
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().rstrip("\n").split("\n")


def multi30k(split: str, *, progress: bool = True) -> PairSet:
    """German sentences and their English translations, as words.

    The alignment is unknown, so it is empty. The vocabularies are those of this split;
    a model uses the training split's. Arguments and errors: `multi30k_lines`.
    """
    german, english = (
        [words(line) for line in multi30k_lines(split, side, progress=progress)]
        for side in ("de", "en")
    )
    nowhere = [[()] * len(line) for line in english]
    return PairSet(german, [tuple(line) for line in english], nowhere)
