"""What the gates of an LSTM or a GRU do at every step, as weights of a sum."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnkit.checks import check_alike, check_float, check_shape


class Gates(NamedTuple):
    """One direction of a recurrent layer, step by step; every part is (B, S, D).

    `keep` of the carried state is kept, `write` of `new` is added to it: forget and
    input gate of an LSTM, update gate z and 1 - z of a GRU. `carried` is the state
    after each step: the cell of an LSTM, the hidden state of a GRU. `hidden` is what
    the layer gives out.
    """

    keep: Tensor
    write: Tensor
    new: Tensor
    carried: Tensor
    hidden: Tensor


def gated_sum(
    keep: Tensor, write: Tensor, new: Tensor, *, need_weights: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    r"""The state that gates leave behind, as a weighted sum of all that was offered.

    A layer that carries $s_j = f_j \odot s_{j-1} + i_j \odot g_j$ from $s_0 = 0$
    ends in

    $$a_j = i_j \odot \prod_{k > j} f_k \qquad s_S = \sum_j a_j \odot g_j$$

    There is one weight for each unit and each step, and no query: a weight is settled
    by what is read at step $j$ and after it, before anybody asks. With $i = 1 - f$, as
    in a GRU, the weights of a unit sum to $1 - \prod_j f_j$; in an LSTM to anything.

    Args:
        keep: $f$, (B, S, D).
        write: $i$, (B, S, D).
        new: $g$, (B, S, D).
        need_weights: also return the weights.

    Returns:
        The state after the last step (B, D), or (state, weights (B, S, D)). Without a
        step the state is zero.

    Raises:
        TypeError: something is no tensor.
        ValueError: shapes or dtypes differ, or are not (batch, step, unit).

    Source:
        Levy, Lee, FitzGerald and Zettlemoyer 2018 (arXiv:1805.03716), section 2.
    """
    check_float("keep", keep)
    if keep.dim() != 3:
        raise ValueError(f"keep: expected shape (B, S, D), got {tuple(keep.shape)}")
    for name, part in (("write", write), ("new", new)):
        check_float(name, part)
        check_shape(name, part, tuple(keep.shape))
    check_alike(keep=keep, write=write, new=new)
    later = torch.cat([keep[:, 1:], torch.ones_like(keep[:, :1])], 1)  # f_{j+1}
    survives = later.flip(1).cumprod(1).flip(1)  # (B, S, D), product over k > j
    weights = write * survives
    state = (weights * new).sum(1)  # (B, D)
    return (state, weights) if need_weights else state


@torch.no_grad()
def gates(rnn: nn.LSTM | nn.GRU, inputs: Tensor, *, backward: bool = False) -> Gates:
    """Run one direction of a recurrent layer and write down its gates.

    Args:
        rnn: one layer of `nn.LSTM` or `nn.GRU`, with `batch_first=True`.
        inputs: (B, S, E), without padding.
        backward: take the direction that reads from the end; its steps then stand in
            the order of the source, not in that of reading.

    Returns:
        `Gates`; `hidden` is what the layer itself gives.

    Raises:
        TypeError: another layer than these two.
        ValueError: several layers, a projection, inputs that do not fit, or a backward
            direction that the layer does not have.
    """
    _check_layer(rnn, inputs, backward)
    end = "_l0_reverse" if backward else "_l0"
    inputs = inputs.flip(1) if backward else inputs
    weights = {
        name: getattr(rnn, name + end) if rnn.bias or "weight" in name else 0.0
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    into = inputs @ weights["weight_ih"].mT + weights["bias_ih"]  # (B, S, gates D)
    hidden = carried = inputs.new_zeros(len(inputs), rnn.hidden_size)
    turn = _lstm_turn if isinstance(rnn, nn.LSTM) else _gru_turn
    steps = []
    for x in into.unbind(1):
        back = hidden @ weights["weight_hh"].mT + weights["bias_hh"]
        steps.append(turn(x, back, carried))
        carried, hidden = steps[-1][-2:]
    parts = (torch.stack(part, 1) for part in zip(*steps, strict=True))
    return Gates(*(part.flip(1) if backward else part for part in parts))


def _lstm_turn(x: Tensor, back: Tensor, carried: Tensor) -> tuple[Tensor, ...]:
    """Gates in the order input, forget, cell, output."""
    enter, keep, new, leave = (x + back).chunk(4, -1)
    enter, keep, new = enter.sigmoid(), keep.sigmoid(), new.tanh()
    carried = keep * carried + enter * new
    return keep, enter, new, carried, leave.sigmoid() * carried.tanh()


def _gru_turn(x: Tensor, back: Tensor, carried: Tensor) -> tuple[Tensor, ...]:
    """Gates in the order reset, update, new."""
    (r, z, n), (r_back, z_back, n_back) = x.chunk(3, -1), back.chunk(3, -1)
    keep = (z + z_back).sigmoid()
    new = (n + (r + r_back).sigmoid() * n_back).tanh()
    carried = keep * carried + (1 - keep) * new
    return keep, 1 - keep, new, carried, carried


def _check_layer(rnn: nn.RNNBase, inputs: Tensor, backward: bool) -> None:
    if not isinstance(rnn, nn.LSTM | nn.GRU):
        raise TypeError(f"rnn: expected nn.LSTM or nn.GRU, got {type(rnn).__name__}")
    if rnn.num_layers > 1 or rnn.proj_size or not rnn.batch_first:
        raise ValueError(
            "rnn: expected one layer, batch_first, without a projection; got "
            f"num_layers={rnn.num_layers}, batch_first={rnn.batch_first}, "
            f"proj_size={rnn.proj_size}"
        )
    if backward and not rnn.bidirectional:
        raise ValueError("backward: expected False for a layer of one direction")
    check_float("inputs", inputs)
    if inputs.dim() != 3 or inputs.shape[-1] != rnn.input_size or not inputs.shape[1]:
        raise ValueError(
            f"inputs: expected shape (B, S, {rnn.input_size}) with S > 0, got "
            f"{tuple(inputs.shape)}"
        )
