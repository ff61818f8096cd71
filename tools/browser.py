"""Find a Chromium for the browser tests, or install one.

    python -m tools.browser      # prints the path, or says in one sentence what to do

Asked in this order: the variable CHROMIUM, browsers on the path, the usual places of
macOS, Playwright's own. Installed, where none is found: by apt (as root, or where sudo
asks for no password), else by Playwright.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
MISSING = (
    "No Chromium was found and none could be installed: install one (Debian: apt "
    "install chromium; Ubuntu: snap install chromium; macOS: brew install --cask "
    "chromium), or set CHROMIUM=/path/to/chrome."
)


def playwrights_own() -> str | None:
    """The browser that Playwright has downloaded, if it has."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def find() -> str | None:
    """The path of an installed Chromium, None where there is none."""
    asked = os.environ.get("CHROMIUM")
    if asked:
        return shutil.which(asked)
    named = (shutil.which(name) for name in NAMES)
    usual = (path for path in MAC if Path(path).exists())
    return next((p for p in [*named, *usual] if p), None) or playwrights_own()


def attempt(*command: str, seconds: float = 600) -> bool:
    """Run a command quietly; whether it worked."""
    try:
        done = subprocess.run(
            command, timeout=seconds, capture_output=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def install() -> None:
    """Try to install a Chromium: Debian's first (it brings its libraries along)."""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = [*root, "apt-get"]
    if shutil.which("apt-get") and attempt(*apt, "update", "-q"):
        environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
        package = ["install", "-y", "-q", "--no-install-recommends", "chromium"]
        if attempt(*root, *environment, "apt-get", *package) and find():
            return
    attempt(sys.executable, "-m", "playwright", "install", "chromium", seconds=300)


def main() -> int:
    if not find() and not os.environ.get("CHROMIUM"):
        print("no Chromium found; installing one", flush=True)
        install()
    path = find()
    print(f"browser: {path}" if path else MISSING)
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main())
