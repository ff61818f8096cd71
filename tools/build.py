"""Build the book: run the chapters that changed, make the pages, swap them in.

    python -m tools.build            # everything; the pages land in book/_build/html
    python -m tools.build --run      # only run the chapters that need it
    python -m tools.build --draft    # go on where something fails; book/_build/draft

The pages are made in a folder of their own and take the place of the old ones in the
end, so a build that stops or fails leaves the last whole book where it was. Each
chapter's run is kept as soon as it is done, so nothing is computed twice.
"""

import argparse
import fcntl
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from tools import report
from tools.execute import ChapterError, fresh, missed, run, seconds
from tools.project import BUILD, HTML, ROOT, chapter_name, run_pages

STAGE, OLD = BUILD / "next", BUILD / "old"
EVERY = 15.0  # seconds between two lines of progress of one chapter


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let builds of one checkout follow each other."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is running here; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    print(text, flush=True)


def run_one(path: Path) -> str | None:
    """Run one chapter with progress; the error's text if it fails, else None."""
    name, last = chapter_name(path), time.monotonic()
    say(f"  {name}: running")

    def progress(cell: int, cells: int) -> None:
        nonlocal last
        if time.monotonic() - last > EVERY:
            last = time.monotonic()
            say(f"  {name}: cell {cell + 1} of {cells}")

    try:
        run(path, progress)
    except ChapterError as error:
        return str(error)
    say(f"  {name}: done in {seconds(path)} s")
    for line in missed(path):
        say(f"  {name}: a clock says {line}")
    return None


def run_chapters(paths: list[Path], jobs: int) -> list[str]:
    """Run the chapters whose kept run is stale; the messages of those that fail."""
    stale = [path for path in paths if not fresh(path)]
    say(f"chapters: {len(paths)}, to run: {len(stale)}")
    if not stale:
        return []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(stale)), mp_context=spawn) as pool:
        done = as_completed([pool.submit(run_one, path) for path in stale])
        return [message for future in done if (message := future.result())]


def make_pages(draft: bool = False) -> int:
    """Make all pages in the staging folder; Jupyter Book's exit status."""
    shutil.rmtree(STAGE, ignore_errors=True)
    tool = Path(sys.executable).with_name("jupyter-book")
    where = ["--path-output", str(STAGE.relative_to(ROOT)), "--all", "-q"]
    strict = [] if draft else ["-W", "--keep-going"]
    env = {**os.environ, "ATTNKIT_DRAFT": "1"} if draft else None
    command = [str(tool), "build", ".", *where, *strict]
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    return done.returncode


def swap_in(target: Path = HTML) -> None:
    """Put the new pages in the place of the old ones."""
    shutil.rmtree(OLD, ignore_errors=True)
    if target.exists():
        target.rename(OLD)
    (STAGE / "_build" / "html").rename(target)
    shutil.rmtree(OLD, ignore_errors=True)
    shutil.rmtree(STAGE, ignore_errors=True)


def build(jobs: int, only_run: bool) -> int:
    """Run, make and swap; 0 where all went well."""
    start = time.perf_counter()
    if OLD.exists() and not HTML.exists():
        OLD.rename(HTML)  # the last build was stopped in the midst of its swap
    failures = run_chapters(run_pages(), jobs)
    if failures:
        say("\n" + "\n\n".join(failures))
        say(f"\nThe book was not built: {len(failures)} chapter(s) failed.")
    if failures or only_run:
        return len(failures)
    say("pages: making them, warnings are errors")
    if make_pages():
        say("\nThe book was not built: see the warnings above.")
        return 1
    swap_in()
    took = round(time.perf_counter() - start, 1)
    (BUILD / "build.json").write_text(json.dumps({"seconds": took}))
    say(report.text())
    say(f"\nThe book is ready. Open {(HTML / 'index.html').relative_to(ROOT)} in a")
    say("browser (no server needed), or type `make serve`.")
    return 0


def draft(jobs: int) -> int:
    """Build what can be built, for looking at; failures are told and passed over."""
    for message in run_chapters(run_pages(), jobs):
        say(message)
    status = make_pages(draft=True)
    if not status:
        swap_in(BUILD / "draft")
    return status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", action="store_true", help="only run the chapters")
    parser.add_argument("--draft", action="store_true", help="pass over failures")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    with one_at_a_time():
        return draft(args.jobs) if args.draft else build(args.jobs, args.run)


if __name__ == "__main__":
    sys.exit(main())
