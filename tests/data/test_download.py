"""Downloads: checked, tried again, all or nothing, and clear when they fail."""

import errno
import functools
import gzip
import hashlib
import http.server
import os
import threading
from pathlib import Path

import pytest

from attnkit.data import corpora, download, multi30k, multi30k_lines
from attnkit.data.download import cache_folder, fetch, sha256

RIGHT = b"the right content " * 1000
SUM = hashlib.sha256(RIGHT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    """Answers as `plan` says: a status, or content with a claimed length."""

    def __init__(self, plan: list, *args) -> None:
        self.plan = plan
        super().__init__(*args)

    def do_GET(self) -> None:
        status, body, claimed = self.plan.pop(0) if self.plan else (500, b"", 0)
        self.send_response(status)
        self.send_header("Content-Length", str(claimed))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        """Say nothing."""


@pytest.fixture
def serve():
    """A server on this machine; call it with a plan, get its address and the plan."""
    running = []

    def start(*plan):
        left = [(s, b, len(b) if n is None else n) for s, b, n in plan]
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Server, left)
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}/data.gz", left

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def get(url: str, path: Path, **options) -> Path:
    return fetch(url, path, SUM, wait=0, progress=False, timeout=5, **options)


GOOD, SHORT, OTHER = (200, RIGHT, None), (200, RIGHT[:99], len(RIGHT)), (200, b"?", 1)
MISSING = (404, b"", 0)


def test_a_good_download_is_kept_and_not_repeated(serve, tmp_path):
    url, left = serve(GOOD, GOOD)
    path = get(url, tmp_path / "new" / "data.gz")
    assert path.read_bytes() == RIGHT
    get(url, path)
    assert len(left) == 1


@pytest.mark.parametrize("bad", [SHORT, OTHER, MISSING, (503, b"", 0)])
def test_a_bad_download_is_tried_again(serve, tmp_path, bad):
    url, left = serve(bad, bad, GOOD)
    assert get(url, tmp_path / "data.gz").read_bytes() == RIGHT and not left


@pytest.mark.parametrize("claimed", ["many", "-5", "1.5", ""])
def test_a_length_that_is_no_number_is_passed_over(serve, tmp_path, claimed):
    url, _ = serve((200, RIGHT, claimed))
    assert get(url, tmp_path / "data.gz").read_bytes() == RIGHT


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (SHORT, "ended after 99 of 18000 bytes"),
        (OTHER, "wrong checksum"),
        (MISSING, "Not Found"),
    ],
)
def test_what_failed_is_told_and_the_old_file_stays(serve, tmp_path, bad, told):
    path = tmp_path / "data.gz"
    path.write_bytes(b"old")
    url, _ = serve(bad, bad)
    with pytest.raises(RuntimeError, match=told) as failure:
        get(url, path, tries=2)
    assert "after 2 tries" in str(failure.value) and str(path) in str(failure.value)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["data.gz"]


def test_without_network_the_message_says_what_to_do(tmp_path):
    path = tmp_path / "data.gz"
    with pytest.raises(RuntimeError, match=r"refused.*ATTNKIT_DATA"):
        get("http://127.0.0.1:9/data.gz", path, tries=2)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "full")])
def test_an_interruption_or_a_full_disk_leaves_the_old_file(
    serve, tmp_path, monkeypatch, error
):
    path = tmp_path / "data.gz"
    path.write_bytes(b"old")
    url, _ = serve(GOOD)

    def cut(url, part, *rest):
        part.write_bytes(RIGHT[:50])
        raise error

    monkeypatch.setattr(download, "_download", cut)
    with pytest.raises((KeyboardInterrupt, OSError)):
        get(url, path)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["data.gz"]


def test_the_cache_folder_is_a_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("ATTNKIT_DATA", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("ATTNKIT_DATA")
    assert cache_folder() == Path.home() / ".cache" / "attnkit"


@pytest.mark.parametrize("inside", ["", "folder"])
def test_a_file_in_the_place_of_the_folder_is_told(monkeypatch, tmp_path, inside):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    monkeypatch.setenv("ATTNKIT_DATA", str(path / inside))
    with pytest.raises(NotADirectoryError, match=r"notes\.txt.*set ATTNKIT_DATA"):
        multi30k("val", progress=False)
    assert path.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_told_before_any_download(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(download, "_download", None)
    monkeypatch.setenv("ATTNKIT_DATA", "/proc/none")
    with pytest.raises(OSError, match=r"folder at /proc/none.*set ATTNKIT_DATA"):
        multi30k("val", progress=False)
    if os.geteuid():
        tmp_path.chmod(0o500)
        with pytest.raises(PermissionError, match=r"can be written.*ATTNKIT_DATA"):
            get("http://127.0.0.1:9/data.gz", tmp_path / "data.gz")
        tmp_path.chmod(0o700)


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path):
    (tmp_path / "data.gz").mkdir()
    with pytest.raises(IsADirectoryError, match=r"expected a file at .*data\.gz, but"):
        get("http://127.0.0.1:9/data.gz", tmp_path / "data.gz")
    assert os.listdir(tmp_path) == ["data.gz"]


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A data set of two pairs in the place of Multi30k."""
    module = corpora
    texts = {"val.de.gz": "Ein Mann, 2 Hüte.\nZwei.\n", "val.en.gz": "A man.\nTwo.\n"}
    for name, text in texts.items():
        (tmp_path / "multi30k").mkdir(exist_ok=True)
        (tmp_path / "multi30k" / name).write_bytes(gzip.compress(text.encode()))
    sums = {n: hashlib.sha256(t.encode()).hexdigest() for n, t in texts.items()}
    monkeypatch.setattr(module, "CHECKSUMS", sums)
    monkeypatch.setenv("ATTNKIT_DATA", str(tmp_path))
    return module, tmp_path / "multi30k"


def test_files_that_are_there_need_no_network(tiny, monkeypatch):
    monkeypatch.setattr(download, "_download", None)
    pairs = multi30k("val")
    assert pairs.source[0] == ["ein", "mann", ",", "2", "hüte", "."]
    assert pairs.target == [("a", "man", "."), ("two", ".")]
    assert pairs.tensors().alignment.any().item() is False
    assert multi30k_lines("val", "de")[1] == "Zwei."


def without_a_checksum(whole: bytes) -> bytes:
    return whole[:-9]


def with_a_wrong_bit(whole: bytes) -> bytes:
    return whole[:10] + bytes([whole[10] ^ 6]) + whole[11:]  # no such kind of block


@pytest.mark.parametrize("damage", [without_a_checksum, with_a_wrong_bit])
def test_a_damaged_file_is_replaced(tiny, serve, monkeypatch, damage):
    module, folder = tiny
    path = folder / "val.de.gz"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    url, _ = serve((200, whole, None))
    monkeypatch.setattr(module, "ADDRESS", url.rsplit("/", 1)[0])
    assert len(multi30k_lines("val", "de", progress=False)) == 2
    assert path.read_bytes() == whole


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="split: expected one of train, val, test"):
        multi30k("dev")
    with pytest.raises(ValueError, match="language: expected 'de' or 'en', got 'fr'"):
        multi30k_lines("val", "fr")


@pytest.mark.skipif(
    not (cache_folder() / "multi30k" / "train.de.gz").exists(),
    reason="Multi30k is not in the cache folder",
)
def test_the_real_set_has_its_known_sizes():
    for split, size in (("train", 29_000), ("val", 1_014), ("test", 1_000)):
        german = multi30k_lines(split, "de")
        assert len(german) == len(multi30k_lines(split, "en")) == size
    assert german[0].startswith("Ein Mann mit einem orangefarbenen Hut")
    assert len(sha256(cache_folder() / "multi30k" / "val.de.gz")) == 64
