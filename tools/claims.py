"""Run every chapter over five seeds and count how often each claim holds.

    python -m tools.claims                 # all chapters; goes on where it stopped
    python -m tools.claims rnn/alignment   # one chapter

A finished run (chapter, seed) is kept under `book/_build/claims/` with the hash of the
chapter's code and of the package, and is not run again while both are the same. The
record of all runs is `book/claims.json`, which the page "How sure are we" shows.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tools.execute import ChapterError, code_key, execute, needs_unchanged, read
from tools.project import BUILD, ROOT, chapter_name, chapters

SEEDS = (1, 2, 3, 4, 5)
STORE = BUILD / "claims"
RECORD = ROOT / "book" / "claims.json"


def store(path: Path, seed: int) -> Path:
    """Where the run of a chapter with a seed is kept."""
    return STORE / f"{chapter_name(path).replace('/', '.')}.{seed}.json"


def kept(path: Path, seed: int) -> list[dict] | None:
    """The claims of a run that still stands, else None."""
    file = store(path, seed)
    if not file.exists():
        return None
    run = json.loads(file.read_text(encoding="utf-8"))
    same = run["code"] == code_key(read(path)) and needs_unchanged(run["needs"])
    return run["claims"] if same else None


def run(path: Path, seed: int) -> str:
    """Run a chapter with a seed and keep its claims; one line about it."""
    file = store(path, seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = file.with_suffix(".jsonl")
    lines.unlink(missing_ok=True)
    start, name = time.monotonic(), f"{chapter_name(path)}, seed {seed}"
    code = code_key(read(path))
    environment = {"ATTNKIT_SEED": str(seed), "ATTNKIT_CLAIMS": str(lines)}
    try:
        done = execute(path, **environment)
    except ChapterError as error:
        return f"{name}: failed\n{error}"
    text = lines.read_text(encoding="utf-8") if lines.exists() else ""
    claims = [json.loads(line) for line in text.splitlines()]
    record = {"code": code, "needs": done.metadata["attnkit"]["needs"]}
    file.write_text(json.dumps(record | {"claims": claims}), encoding="utf-8")
    lines.unlink(missing_ok=True)
    held = sum(claim["holds"] for claim in claims)
    took = time.monotonic() - start
    return f"{name}: {held} of {len(claims)} claims held, {took:.0f} s"


def recorded() -> dict[tuple[str, int], list[dict]]:
    """The claims of the present record, by chapter and seed."""
    found: dict[tuple[str, int], list[dict]] = {}
    if RECORD.exists():
        for claim in json.loads(RECORD.read_text(encoding="utf-8")):
            found.setdefault((claim["chapter"], claim["seed"]), []).append(claim)
    return found


def write_record() -> list[dict]:
    """Write `book/claims.json`: kept runs, else what the record held before."""
    old, claims = recorded(), []
    for path in chapters():
        for seed in SEEDS:
            runs = kept(path, seed)
            if runs is None:
                runs = old.get((chapter_name(path), seed), [])
            claims += runs
    text = "".join(f"  {json.dumps(claim, ensure_ascii=False)},\n" for claim in claims)
    RECORD.write_text(f"[\n{text.rstrip().rstrip(',')}\n]\n", encoding="utf-8")
    return claims


def weak(claims: list[dict]) -> list[str]:
    """The claims that failed in more than one run."""
    held: dict[tuple[str, str], list[bool]] = {}
    for claim in claims:
        key = (claim["chapter"], claim["claim"])
        held.setdefault(key, []).append(claim["holds"])
    few = {key: runs for key, runs in held.items() if len(runs) - sum(runs) > 1}
    return [f"{k[0]}: “{k[1]}” held in {sum(r)} of {len(r)}" for k, r in few.items()]


def run_all(todo: list[tuple[Path, int]], jobs: int) -> bool:
    """Run what is to be run, telling of each; whether all ran through."""
    spawn = multiprocessing.get_context("spawn")
    failed = False
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        futures = [pool.submit(run, path, seed) for path, seed in todo]
        for number, future in enumerate(as_completed(futures), 1):
            failed |= ": failed\n" in future.result()
            print(f"[{number}/{len(todo)}] {future.result()}", flush=True)
    return not failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="part/name; all where left out")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    wanted = args.chapters or [chapter_name(path) for path in chapters()]
    paths = [path for path in chapters() if chapter_name(path) in wanted]
    todo = [(p, s) for p in paths for s in SEEDS if kept(p, s) is None]
    print(f"runs: {len(paths) * len(SEEDS)}, to do: {len(todo)}", flush=True)
    complete = run_all(todo, args.jobs)
    claims = write_record()
    for line in weak(claims):
        print(f"to reword or mend: {line}")
    print(f"{len(claims)} claims written to {RECORD.relative_to(ROOT)}")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
