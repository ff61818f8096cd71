"""The cost on a card, written in Python, as a formula in TeX."""

import ast
from collections import Counter
from fractions import Fraction


def formula(expression: str) -> str:
    """Write a sum of products as one would by hand.

    Args:
        expression: names, numbers, +, *, /, ** and max(...), as in "N*N*d*4+8*d".

    Returns:
        TeX without dollars: numbers first, equal factors as powers: "4 N^2 d + 8 d".

    Raises:
        ValueError: anything else stands in it.
    """
    return _write(ast.parse(expression, mode="eval").body)


def _write(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=int(number)):
            return str(number)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return f"{_write(left)} + {_write(right)}"
        case ast.Call(func=ast.Name(id="max"), args=args):
            return rf"\max({', '.join(map(_write, args))})"
    factors = _factors(node)
    if factors == [(node, 1)]:
        raise ValueError(
            f"expression: expected sums and products, got {ast.unparse(node)!r}"
        )
    return _product(factors)


def _product(factors: list[tuple[ast.expr, int]]) -> str:
    number, powers = Fraction(1), Counter()
    for factor, power in factors:
        if isinstance(factor, ast.Constant):
            number *= Fraction(int(_write(factor))) ** power
        else:
            text = _write(factor)
            several = isinstance(factor, ast.BinOp)
            powers[f"({text})" if several else text] += power
    parts = [f"{text}^{power}" if power > 1 else text for text, power in powers.items()]
    return " ".join([str(number)] * (number != 1) + parts)


def _factors(node: ast.expr) -> list[tuple[ast.expr, int]]:
    """The factors of a product with their powers, in order."""
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _factors(left) + _factors(right)
        case ast.BinOp(left=left, op=ast.Div(), right=ast.Constant() as right):
            return [*_factors(left), (right, -1)]
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))):
            return [(left, power)]
    return [(node, 1)]
