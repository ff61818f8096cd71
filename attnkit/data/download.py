"""Files from the network, kept in a cache folder and never trusted unchecked."""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path

from attnkit.progress import progress_bar

CHUNK = 2**16
_NETWORK = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
)
Digest = Callable[[Path], str]


def cache_folder() -> Path:
    """Folder of the data: `ATTNKIT_DATA` if set, else `~/.cache/attnkit`."""
    return Path(os.environ.get("ATTNKIT_DATA") or "~/.cache/attnkit").expanduser()


def sha256(path: Path) -> str:
    """The checksum of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(
    url: str,
    path: Path,
    checksum: str,
    *,
    digest: Digest = sha256,
    tries: int = 3,
    wait: float = 1.0,
    timeout: float = 30.0,
    progress: bool = True,
) -> Path:
    """Make sure that `path` holds the right file; download it if it does not.

    The download goes to a file beside `path` and takes its place only after its
    checksum was found right: whatever goes wrong, an old file stays as it was.

    Args:
        url: where the file is.
        path: where it is kept.
        checksum: the digest of the right file.
        digest: of a file; may unpack it first, and raises on a broken one.
        tries: downloads before giving up.
        wait: seconds before the second try, doubled before each further one.
        timeout: seconds without an answer that count as a failure.
        progress: show a progress bar.

    Returns:
        `path`.

    Raises:
        RuntimeError: there is no right file, none could be had, and what to do.
        OSError: the folder cannot be written or the disk is full.
    """
    if path.is_dir():
        raise IsADirectoryError(
            f"expected a file at {path}, but there is a folder: remove it, or set "
            "ATTNKIT_DATA to another one"
        )
    found = _digest(digest, path) if path.exists() else "no file"
    if found == checksum:
        return path
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    _make_room(path.parent, part)
    problem = f"the file there is another one ({found})" if path.exists() else found
    for attempt in range(tries):
        time.sleep(wait * 2 ** (attempt - 1) if attempt else 0)
        try:
            _download(url, part, timeout, progress)
            found = _digest(digest, part)
            if found == checksum:
                os.replace(part, path)
                return path
            problem = f"wrong checksum ({found}, expected {checksum})"
        except _NETWORK as error:
            problem = f"{getattr(error, 'reason', None) or error}"
        finally:
            part.unlink(missing_ok=True)
    raise RuntimeError(
        f"could not get {path.name} from {url} after {tries} tries: {problem}. "
        f"Check the network and try again; or put the file at {path} yourself, or set "
        "ATTNKIT_DATA to a folder that has it."
    )


class _Short(http.client.HTTPException):
    """The connection ended before the file did."""


def _make_room(folder: Path, part: Path) -> None:
    """Make the folder if need be, and see that a file can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.touch()
        part.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            f"expected a folder at {folder}, but {error.filename} is or lies in a "
            "file; set ATTNKIT_DATA to a folder"
        ) from error
    except OSError as error:
        raise OSError(
            error.errno,
            f"expected a folder at {folder} that can be written, got "
            f"“{error.strerror}” for {error.filename}; set ATTNKIT_DATA to such a one",
        ) from error


def _digest(digest: Digest, path: Path) -> str:
    """The digest, or in words why there is none."""
    try:
        return digest(path)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        return f"a broken file: {error}"


def _download(url: str, part: Path, timeout: float, progress: bool) -> None:
    """Write what `url` gives to `part`, all of it or an error."""
    request = urllib.request.Request(url, headers={"User-Agent": "attnkit"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        size = _whole(answer.headers.get("Content-Length"))
        bar = progress_bar(
            total=size or None,
            unit="B",
            unit_scale=True,
            desc=part.name.split(".", 2)[1],
            disable=not progress,
            leave=False,
        )
        with bar, open(part, "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            got = file.tell()
    if size and got < size:
        raise _Short(f"the download ended after {got} of {size} bytes")


def _whole(header: str | None) -> int:
    """The number in a header; 0 where there is none. The checksum decides anyway."""
    text = (header or "").strip()
    return int(text) if text.isascii() and text.isdigit() else 0
