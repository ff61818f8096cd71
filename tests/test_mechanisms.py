"""Every mechanism of the catalog against its references, its oracles and the probes.

A new card is picked up here by itself. A probe is left out only where the card says so
and why.
"""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from attnkit import catalog
from attnkit.catalog import Card

CARDS = catalog.cards()


def probed(probe: str) -> pytest.MarkDecorator:
    """Run a test for every card that the probe applies to and that is not excused."""
    chosen = [card for card in CARDS if probe in card.probes()]
    return pytest.mark.parametrize("card", chosen, ids=lambda card: card.key)


every_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: card.key)


def build(card: Card, sizes=None, seed: int = 1):
    """Make the mechanism, redraw every weight, and draw its inputs."""
    sizes = card.shapes[0] if sizes is None else sizes
    mechanism = redraw(card.make(seed, sizes), seed)
    return mechanism, card.inputs(seed + 10, sizes)


def redraw(mechanism, seed: int):
    """Give every weight a new random value: an initial zero would hide a mistake."""
    if isinstance(mechanism, nn.Module):
        draw = torch.Generator().manual_seed(seed)
        mechanism.eval()
        with torch.no_grad():
            for weight in mechanism.parameters():
                weight.copy_(torch.randn(weight.shape, generator=draw).mul(0.7))
    return mechanism


def weights_of(mechanism) -> dict[str, Tensor]:
    is_module = isinstance(mechanism, nn.Module)
    return dict(mechanism.named_parameters()) if is_module else {}


def floats(inputs: dict) -> dict[str, Tensor]:
    return {name: x for name, x in inputs.items() if x.is_floating_point()}


def tracked(inputs: dict) -> dict[str, Tensor]:
    names = floats(inputs)
    return {
        name: x.clone().requires_grad_() if name in names else x
        for name, x in inputs.items()
    }


def near(a: Tensor, b: Tensor, tolerance: float = 1e-10) -> bool:
    if a.shape != b.shape:
        return False
    return torch.allclose(a, b.to(a.dtype), rtol=tolerance, atol=tolerance)


# --- equality --------------------------------------------------------------------


@pytest.mark.parametrize("shape", (0, 1))
@every_card
def test_equals_loops(card, shape):
    for seed in (1, 2):
        mechanism, inputs = build(card, card.shapes[shape], seed)
        expected = card.reference(mechanism, **inputs)
        assert near(card.run(mechanism, inputs), expected)


@pytest.mark.parametrize(
    ("card", "name"),
    [(card, name) for card in CARDS for name in card.controls],
    ids=lambda item: item if isinstance(item, str) else item.key,
)
def test_wrong_control_fails(card, name):
    mechanism, inputs = build(card)
    wrong = card.controls[name](mechanism, inputs)
    assert not near(card.reference(mechanism, **inputs), wrong, 1e-3)


@pytest.mark.parametrize(
    ("card", "oracle"),
    [(card, oracle) for card in CARDS for oracle in card.oracles],
    ids=lambda item: getattr(item, "key", None) or item.what,
)
def test_equals_oracle(card, oracle, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip(oracle.library)
    for shape in card.shapes:
        mechanism, inputs = build(card, shape)
        expected = oracle.run(mechanism, inputs)
        assert near(card.run(mechanism, inputs), expected, 1e-9)


# --- five invariants -------------------------------------------------------------


@probed("batch")
def test_batch_is_independent(card):
    mechanism, inputs = build(card)
    together = card.run(mechanism, inputs)
    for b in range(len(together)):
        alone = {name: x[b : b + 1] for name, x in inputs.items()}
        assert near(card.run(mechanism, alone), together[b : b + 1])


@probed("state")
def test_nothing_is_changed_by_a_call(card):
    mechanism, inputs = build(card)
    is_module = isinstance(mechanism, nn.Module)
    before = copy.deepcopy((inputs, mechanism.state_dict() if is_module else {}))
    one, two = card.run(mechanism, inputs), card.run(mechanism, inputs)
    after = (inputs, mechanism.state_dict() if is_module else {})
    assert torch.equal(one, two)
    pairs = zip(tree_leaves(before), tree_leaves(after), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def leaves(output: Tensor) -> set[Tensor]:
    """Every tensor that wants a gradient from this output, registered or not."""
    found, seen, todo = set(), set(), [output.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found |= {node.variable} if hasattr(node, "variable") else set()
        todo += [parent for parent, _ in node.next_functions]
    return found


@probed("weights")
def test_weights_are_registered_and_reached(card):
    mechanism, inputs = build(card)
    output = card.run(mechanism, inputs)
    weights = weights_of(mechanism)
    assert leaves(output) == set(weights.values())
    output.backward(torch.randn_like(output))
    dead = [n for n, w in weights.items() if w.grad is None or not w.grad.any()]
    assert set(dead) <= set(card.zero_init)


@probed("inputs")
def test_each_input_counts(card):
    mechanism, inputs = build(card)
    output = card.run(mechanism, inputs)
    others = [card.inputs(seed, card.shapes[0]) for seed in (50, 51, 52)]
    for name in inputs:
        changed = [
            not near(card.run(mechanism, inputs | {name: other[name]}), output, 1e-4)
            for other in others
        ]
        assert any(changed) != (f"inputs:{name}" in card.excuses), name


@probed("field")
def test_jacobian_has_the_declared_support(card):
    sizes = dict(card.shapes[0]) | {"B": 1}
    mechanism, inputs = build(card, sizes)
    inputs = tracked(inputs)
    output = card.output_places(card.run(mechanism, inputs))[0]  # (P, F)
    declared = card.field({name: x.detach() for name, x in inputs.items()})
    assert set(declared) == set(floats(inputs))
    for name, expected in declared.items():
        support = [
            sum(reached(number, inputs[name], card.input_places) for number in place)
            for place in output
        ]
        assert torch.equal(torch.stack(support) > 0, expected), name


def reached(number: Tensor, x: Tensor, places) -> Tensor:
    """Count the numbers of each place of `x` that one output number depends on."""
    options = {"retain_graph": True, "materialize_grads": True, "allow_unused": True}
    if not number.requires_grad:
        return places(torch.zeros_like(x))[0].sum(-1).long()
    (gradient,) = torch.autograd.grad(number, x, **options)
    return (places(gradient)[0].abs() > 1e-12).sum(-1)


# --- numbers, sizes, layouts ------------------------------------------------------


@probed("gradcheck")
def test_gradients(card):
    for shape in card.shapes:
        mechanism, inputs = build(card, shape)
        inputs, weights = tracked(inputs), weights_of(mechanism)
        names = list(floats(inputs))

        def output(*tensors, inputs=inputs, names=names, mechanism=mechanism):
            given = dict(zip(names, tensors, strict=False))
            return card.run(mechanism, inputs | given)

        tensors = (*(inputs[name] for name in names), *weights.values())
        assert torch.autograd.gradcheck(output, tensors)


@probed("bfloat16")
def test_bfloat16(card):
    mechanism, inputs = build(card)
    small = {n: x.bfloat16() if n in floats(inputs) else x for n, x in inputs.items()}
    if isinstance(mechanism, nn.Module):
        mechanism = mechanism.bfloat16()
    output = card.run(mechanism, small)
    assert output.dtype == torch.bfloat16
    if isinstance(mechanism, nn.Module):
        mechanism = mechanism.double()
    exact = {n: x.double() if n in floats(inputs) else x for n, x in small.items()}
    assert near(card.run(mechanism, exact), output.double(), 0.04)


@probed("strides")
def test_layout_in_memory_does_not_count(card):
    mechanism, inputs = build(card)
    strided = {
        n: x.mT.clone(memory_format=torch.contiguous_format).mT if x.dim() > 1 else x
        for n, x in inputs.items()
    }
    assert not all(x.is_contiguous() for x in strided.values())
    assert near(card.run(mechanism, strided), card.run(mechanism, inputs))


@probed("empty")
def test_empty_sizes(card):
    for symbol in card.may_be_empty:
        mechanism, _ = build(card)
        inputs = tracked(card.inputs(3, dict(card.shapes[0]) | {symbol: 0}))
        output = card.run(mechanism, inputs)
        assert near(output, card.reference(mechanism, **inputs)), symbol
        if output.requires_grad:
            output.sum().backward()


@probed("single")
def test_single_element_sizes(card):
    mechanism, inputs = build(card, dict.fromkeys(card.shapes[0], 1))
    expected = card.reference(mechanism, **inputs)
    assert expected.isfinite().all()
    assert near(card.run(mechanism, inputs), expected)


@probed("nothing")
def test_nothing_to_attend_to(card):
    mechanism, inputs = build(card)
    inputs = tracked(inputs)
    row = (0,) * (inputs["mask"].dim() - 1)
    inputs["mask"][row] = False
    output = card.run(mechanism, inputs)
    assert near(output, card.reference(mechanism, **inputs))
    assert not output[row].any()
    sources = (*floats(inputs).values(), *weights_of(mechanism).values())
    options = {"retain_graph": True, "materialize_grads": True, "allow_unused": True}
    own = torch.autograd.grad(output[row].sum(), sources, **options)
    assert not any(gradient.any() for gradient in own)
    whole = torch.autograd.grad(output.square().sum(), sources, **options)
    assert all(gradient.isfinite().all() for gradient in whole)


class Whole(nn.Module):
    """A mechanism as a module, for tools that take only modules."""

    def __init__(self, card: Card, mechanism) -> None:
        super().__init__()
        self.card, self.mechanism = card, mechanism

    def forward(self, **inputs) -> Tensor:
        return self.card.output(self.mechanism(**inputs))


@probed("compile")
def test_compiles_to_one_graph(card):
    torch._dynamo.reset()
    mechanism, inputs = build(card)
    compiled = torch.compile(mechanism, fullgraph=True, backend="eager")
    for given in (inputs, card.inputs(4, card.shapes[0])):
        assert near(card.run(compiled, given), card.run(mechanism, given))


@probed("export")
def test_exports(card):
    mechanism, inputs = build(card)
    program = torch.export.export(Whole(card, mechanism), (), inputs, strict=False)
    other = card.inputs(4, card.shapes[0])
    assert near(program.module()(**other), card.run(mechanism, other))


# --- cost ------------------------------------------------------------------------


class Count(TorchDispatchMode):
    """Count operations (products in full, others per number) and the largest tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.work, self.largest = 0, 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        result = op(*args, **(kwargs or {}))
        if any(r.alias_info and not r.alias_info.is_write for r in op._schema.returns):
            return result  # a view costs nothing
        sizes = [
            x.numel() for x in tree_leaves((args, result)) if isinstance(x, Tensor)
        ]
        self.work += max(sizes, default=0)
        made = [x.numel() for x in tree_leaves(result) if isinstance(x, Tensor)]
        self.largest = max([self.largest, *made])
        if op._overloadpacket in flop_registry:
            count = flop_registry[op._overloadpacket]
            self.work += count(*args, **(kwargs or {}), out_val=result)
        return result


def numbers(values) -> list[int]:
    return [x.numel() for x in tree_leaves(values) if isinstance(x, Tensor)]


def counted(card: Card, sizes: dict) -> tuple[float, float]:
    mechanism, inputs = build(card, sizes)
    with torch.no_grad(), Count() as count:
        card.run(mechanism, inputs)
    return count.work, count.largest


@probed("cost")
def test_cost_grows_as_claimed(card):
    usual = {name: 128 if name in "NM" else 16 for name in card.shapes[0]}
    base = usual | {"B": 1} | dict(card.cost_sizes)
    measured = counted(card, base)
    for symbol in card.symbols:
        double = base | {symbol: 2 * base[symbol]}
        more = counted(card, double)
        claims = (card.time, card.memory)
        for claim, before, after in zip(claims, measured, more, strict=True):
            grows = eval(claim, {}, double) / eval(claim, {}, base)
            assert after / before == pytest.approx(grows, rel=0.15), (symbol, claim)
