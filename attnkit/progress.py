"""Progress bars: one place that knows when none is wanted."""

import os
from typing import Any

from tqdm.auto import tqdm


def progress_bar(*, disable: bool = False, **options: Any) -> tqdm:
    """A bar of tqdm; a silent one with `disable`, or where TQDM_DISABLE is set.

    tqdm's own bar for notebooks does not look at it, and would be dead in a built page.
    """
    return tqdm(disable=disable or "TQDM_DISABLE" in os.environ, **options)
