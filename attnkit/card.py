"""What a catalog card holds, and the probes that every mechanism must pass."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

Sizes = Mapping[str, int]
Mechanism = Callable[..., Any]

ATTENDS_TO = ("time", "word", "node", "memory", "channel", "space", "frame", "branch")
QUESTIONS = ("what", "where", "when", "which")
PROBES = {
    "batch": "a sample's output does not depend on the rest of the batch",
    "state": "in eval, no input, weight or buffer is changed by a call",
    "weights": "every weight is registered and reached by a gradient",
    "inputs": "each input changes the output",
    "field": "the Jacobian is non-zero exactly in the declared receptive field",
    "gradcheck": "gradients equal finite differences in float64",
    "bfloat16": "bfloat16 in, bfloat16 out, near the float64 result",
    "strides": "non-contiguous input gives the same output",
    "empty": "sizes of zero give an empty or zero output, never NaN",
    "single": "sizes of one give a finite output equal to the reference",
    "nothing": "a row with nothing to attend to gives zeros and zero gradient",
    "compile": "torch.compile(fullgraph=True) gives the same output",
    "export": "torch.export gives the same output",
    "cost": "counted operations grow as the card says",
}


@dataclass(frozen=True)
class Step:
    r"""One of the three steps: in words, and as a formula in TeX without dollars."""

    words: str
    formula: str


@dataclass(frozen=True)
class Oracle:
    """An independent implementation to compare with.

    Args:
        library: the name to import; the test is skipped where it is not installed.
        what: what it is compared with, in words.
        run: (mechanism, inputs) → output, with the mechanism's weights copied over.
    """

    library: str
    what: str
    run: Callable[[Mechanism, dict[str, Tensor]], Tensor]


def rows(value: Tensor) -> Tensor:
    """Places are the second axis: (B, P, ...) → (B, P, features)."""
    return value.reshape(value.shape[0], value.shape[1], -1)


def cells(value: Tensor) -> Tensor:
    """Places are all numbers of a sample: (B, ...) → (B, P, 1)."""
    return value.reshape(value.shape[0], -1, 1)


def first(result: Any) -> Tensor:
    """Return the output itself where a mechanism gives (output, weights, ...)."""
    return result[0] if isinstance(result, tuple) else result


@dataclass(frozen=True, kw_only=True)
class Card:
    """All that the book says of a mechanism and all that the tests need.

    Args:
        key: unique name; also the address of the reference page.
        title: as a reader would say it.
        summary: one or two sentences: what it is.
        family: the part of the book: idea, rnn, transformer, graph, memory, vision,
            problems.
        year: of first publication.
        month: of first publication.
        paper: title.
        link: "arXiv:1409.0473" or "doi:10.1007/BF00992696".
        cite: BibTeX key.
        attends_to: some of `ATTENDS_TO`.
        question: the survey's question, one of `QUESTIONS`.
        score: step 1.
        normalize: step 2.
        aggregate: step 3.
        time: operations as a product of size symbols in Python, "N*M*d"; tested.
        memory: numbers in the largest tensor, "N*M"; tested.
        symbols: what each size symbol means.
        usage: Python lines that import and call it.
        receptive: the receptive field in words.
        shapes: two sets of sizes: one uneven, one with a single sample.
        make: (seed, sizes) → the mechanism, called with the inputs by name.
        inputs: (seed, sizes) → float64 inputs by name, batch first; booleans are masks.
        reference: (mechanism, **inputs) → output, by plain loops in float64.
        field: inputs → {input: boolean (places of output, places of input)}, for a
            batch of one; where the Jacobian is not zero.
        controls: name → (mechanism, inputs) → a wrong output that must not pass.
        oracles: independent implementations.
        source: the public function or class; set by `@register(card)`.
        output: picks the tensor to be tested from what the mechanism returns.
        output_places: output → (B, places, features), for the receptive field.
        input_places: the same for an input.
        may_be_empty: size symbols that may be zero.
        cost_sizes: sizes at which operations are counted, each doubled in turn; what
            is not given is 128 for N and M, and 16 else.
        zero_init: weights that start at zero, so that others get no gradient at first.
        excuses: probe → reason why this mechanism is excused from it; "inputs:key"
            excuses one input alone.
        chapter: where the book explains it, as "rnn/alignment".
    """

    key: str
    title: str
    summary: str
    family: str
    year: int
    month: int
    paper: str
    link: str
    cite: str
    attends_to: tuple[str, ...]
    question: str
    score: Step
    normalize: Step
    aggregate: Step
    time: str
    memory: str
    symbols: Mapping[str, str]
    usage: str
    receptive: str
    shapes: tuple[Sizes, Sizes]
    make: Callable[[int, Sizes], Mechanism]
    inputs: Callable[[int, Sizes], dict[str, Tensor]]
    reference: Callable[..., Tensor]
    field: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None
    controls: Mapping[str, Callable[[Mechanism, dict[str, Tensor]], Tensor]]
    oracles: tuple[Oracle, ...] = ()
    source: Any = None
    output: Callable[[Any], Tensor] = first
    output_places: Callable[[Tensor], Tensor] = rows
    input_places: Callable[[Tensor], Tensor] = rows
    may_be_empty: tuple[str, ...] = ("B", "N", "M")
    cost_sizes: Sizes = field(default_factory=dict)
    zero_init: tuple[str, ...] = ()
    excuses: Mapping[str, str] = field(default_factory=dict)
    chapter: str = ""

    def __post_init__(self) -> None:
        known = {
            "attends_to": (self.attends_to, ATTENDS_TO),
            "question": ((self.question,), QUESTIONS),
            "excuses": ([name.split(":")[0] for name in self.excuses], PROBES),
            "month": ((self.month,), range(1, 13)),
        }
        for name, (given, allowed) in known.items():
            wrong = [item for item in given if item not in allowed]
            if wrong:
                raise ValueError(
                    f"{name} of card {self.key!r}: expected some of "
                    f"{', '.join(map(str, allowed))}; got {wrong}"
                )
        if not self.controls:
            raise ValueError(f"controls of card {self.key!r}: expected at least one")
        if self.field is None and "field" not in self.excuses:
            raise ValueError(f"field of card {self.key!r}: expected one or an excuse")

    def run(self, mechanism: Mechanism, inputs: Mapping[str, Tensor]) -> Tensor:
        """Call the mechanism and return the output that is tested."""
        return self.output(mechanism(**inputs))

    def probes(self) -> list[str]:
        """Return the probes that apply and are not excused as a whole."""
        has_mask = "mask" in self.inputs(0, self.shapes[0])
        has_weights = isinstance(self.make(0, self.shapes[0]), nn.Module)
        missing = {"nothing": not has_mask, "weights": not has_weights}
        return [p for p in PROBES if p not in self.excuses and not missing.get(p)]

    @property
    def url(self) -> str:
        """Address of the paper."""
        scheme, _, name = self.link.partition(":")
        hosts = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
        return hosts[scheme] + name
