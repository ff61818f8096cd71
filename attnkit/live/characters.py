"""A typed text as the characters that a reader sees.

The twin of `src/core/characters.js`, so that page and Python read the same symbols.
"""

from __future__ import annotations

import unicodedata

JOINER = "\u200d"
_WIDE = {0xFF10 + digit: str(digit) for digit in range(10)}


def narrow(text: str) -> str:
    """Full-width digits, as Chinese keyboards write them, become 0 to 9."""
    return text.translate(_WIDE)


def characters(text: str) -> list[str]:
    """One text per visible character: marks, skin tones and joined emoji stay together.

    White space is left out.
    """
    found: list[str] = []
    for c in "".join(text.split()):
        last = found[-1] if found else ""
        if last and (_clings(c) or last[-1] == JOINER or (_flag(c) and _flag(last))):
            found[-1] += c
        else:
            found.append(c)
    return found


def _clings(c: str) -> bool:
    """Marks, the joiner, skin tones and the tags of flags belong to what precedes."""
    tone, tag = "\U0001f3fb" <= c <= "\U0001f3ff", "\U000e0020" <= c <= "\U000e007f"
    return unicodedata.category(c)[0] == "M" or c == JOINER or tone or tag


def _flag(text: str) -> bool:
    """One regional letter; two of them make a flag."""
    return len(text) == 1 and "\U0001f1e6" <= text <= "\U0001f1ff"
