"""The learning rate of the paper."""

from attnkit.checks import check_at_least, check_positive


def warm_up(step: int, embed_dim: int, warm: int = 4000) -> float:
    r"""The paper's learning rate: up in a straight line, then down as a root.

    $$\eta = D^{-1/2}\,\min(t^{-1/2},\; t\,w^{-3/2})$$

    Args:
        step: $t$, from 0; step 0 counts as 1.
        embed_dim: $D$.
        warm: $w$, steps until the top.

    Source:
        Vaswani et al. 2017 (arXiv:1706.03762), section 5.3.
    """
    check_at_least("step", step, 0)
    check_positive("warm", warm)
    step = max(step, 1)
    return embed_dim**-0.5 * min(step**-0.5, step * warm**-1.5)
