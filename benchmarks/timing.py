"""Fair timing on a shared machine: interleaved rounds, CPU time, ratios to a floor."""

import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Case:
    """Contenders for one task at one size.

    Args:
        name: the mechanism.
        size: in words, for the table.
        floor: the work that no implementation can avoid, in words.
        run_floor: does that work.
        contenders: name → call; names that start with "attnkit" are ours.
        backward: whether the calls include the backward pass.
    """

    name: str
    size: str
    floor: str
    run_floor: Callable[[], Any]
    contenders: Mapping[str, Callable[[], Any]]
    backward: bool = False


def seconds(call: Callable[[], Any], least: float = 0.02) -> float:
    """CPU seconds of one call, repeated until `least` seconds have passed."""
    count, start = 0, time.process_time()
    while True:
        call()
        count += 1
        spent = time.process_time() - start
        if spent >= least:
            return spent / count


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Time floor and contenders in turn, `rounds` times; medians of ratios."""
    calls = {"floor": case.run_floor, **case.contenders}
    for call in calls.values():
        call()  # warm up: allocation, compilation
    times: dict[str, list[float]] = {name: [] for name in calls}
    gc.disable()
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call))
    gc.enable()
    ratios = {
        name: [a / b for a, b in zip(spent, times["floor"], strict=True)]
        for name, spent in times.items()
        if name != "floor"
    }
    return {
        "name": case.name,
        "size": case.size,
        "pass": "forward and backward" if case.backward else "forward",
        "floor": case.floor,
        "floor_ms": round(1e3 * statistics.median(times["floor"]), 3),
        "ratios": {name: summary(values) for name, values in ratios.items()},
    }


def summary(values: list[float]) -> dict[str, float]:
    """Median, and the quartiles as its spread."""
    low, middle, high = (
        statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    )
    return {"median": round(middle, 2), "low": round(low, 2), "high": round(high, 2)}


def measure_all(cases: list[Case], rounds: int) -> list[dict[str, Any]]:
    """Measure case by case, with a progress bar."""
    torch.set_num_threads(1)
    return [measure(case, rounds) for case in tqdm(cases, unit="case")]


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    return {
        "processor": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
        "cores": str(os.cpu_count()),
    }


def write(name: str, content: dict[str, Any]) -> Path:
    """Write results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps({"machine": machine(), **content}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf8")
    return path


def table(rows: list[dict[str, Any]]) -> str:
    """Show results as Markdown."""
    lines = ["| task | pass | floor ms | time over floor |", "|---|---|---|---|"]
    for row in rows:
        ratios = ", ".join(f"{k} {v['median']}" for k, v in row["ratios"].items())
        task = f"{row['name']} {row['size']}"
        lines.append(f"| {task} | {row['pass']} | {row['floor_ms']} | {ratios} |")
    return "\n".join(lines)
