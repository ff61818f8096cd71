"""Cut the small Chinese font that figures and pages use: `python recipes/font.py`.

Takes Noto Sans CJK SC (SIL Open Font License; Debian's `fonts-noto-cjk`) and keeps the
characters that the book uses, the thousand most frequent ones (`common.txt`) and the
full-width forms. Writes `attnkit/fonts/attnkit-cjk.otf`, which matplotlib reads, and
the same glyphs for the pages as `book/_static/attnkit-cjk.woff2`.
Run it when a test names a character that is missing. Needs `fonttools` and `brotli`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

HOME = Path(__file__).resolve().parents[1]
FONTS = HOME / "attnkit" / "fonts"
SOURCE = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
FACE = 2  # the simplified Chinese face of the collection
FAMILY = "Attnkit CJK"
TEXTS = (
    "attnkit/**/*.py",
    "attnkit/live/src/**/*.js",
    "chapters/**/*.ipynb",
    "book/*.md",
)
RANGES = ((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0xFE30, 0xFE4F), (0xFF00, 0xFFEF))


def is_cjk(character: str) -> bool:
    """Whether a character is a Chinese one, or punctuation of Chinese text."""
    return any(first <= ord(character) <= last for first, last in RANGES)


def used(root: Path = HOME) -> set[str]:
    """All Chinese characters in the package, the chapters and the pages."""
    files = [path for pattern in TEXTS for path in root.glob(pattern)]
    files = [path for path in files if ".ipynb_checkpoints" not in path.parts]
    return {
        character for path in files for character in _text(path) if is_cjk(character)
    }


def _text(path: Path) -> str:
    """The text of a file; in a notebook, characters may stand as JSON escapes."""
    text = path.read_text(encoding="utf-8")
    notebook = path.suffix == ".ipynb"
    return json.dumps(json.loads(text), ensure_ascii=False) if notebook else text


def wanted() -> set[str]:
    """Used, frequent, and full-width characters."""
    common = set((FONTS / "common.txt").read_text(encoding="utf-8").split())
    punctuation = "、。〇〈〉《》「」『』【】〔〕"
    wide = {chr(code) for code in range(0xFF01, 0xFF5F)}
    return used() | set("".join(common)) | set(punctuation) | wide


def cut(characters: set[str], source: Path) -> TTFont:
    """The subset, without layout features and hints, under a name of its own."""
    options = subset.Options(hinting=False, layout_features=[], notdef_outline=True)
    options.name_IDs, options.font_number = [0, 1, 2, 3, 4, 5, 6, 13, 14], FACE
    font = subset.load_font(str(source), options)
    cutter = subset.Subsetter(options)
    cutter.populate(text="".join(characters))
    cutter.subset(font)
    return rename(font)


def rename(font: TTFont) -> TTFont:
    """Give the font a family name of its own; keep the date of its source."""
    names = {1: FAMILY, 2: "Regular", 3: f"{FAMILY} subset", 4: FAMILY, 6: "AttnkitCJK"}
    for record in list(font["name"].names):
        if record.nameID in names:
            font["name"].setName(
                names[record.nameID], record.nameID, record.platformID,
                record.platEncID, record.langID,
            )  # fmt: skip
    top = font["CFF "].cff
    top.fontNames = ["AttnkitCJK"]
    top[0].FullName = top[0].FamilyName = FAMILY
    font.recalcTimestamp = False
    return font


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=SOURCE)
    font = cut(wanted(), parser.parse_args().source)
    for path, flavor in (
        (FONTS / "attnkit-cjk.otf", None),
        (HOME / "book" / "_static" / "attnkit-cjk.woff2", "woff2"),
    ):
        font.flavor = flavor
        font.save(path)
        count, size = len(font.getBestCmap()), path.stat().st_size
        print(f"{path.relative_to(HOME)}: {count} characters, {size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
