"""Weights that come with the package: read as safetensors writes them."""

import pytest
import torch

from attnkit.weights import read_weights


def test_reads_what_safetensors_writes(tmp_path):
    numpy = pytest.importorskip("safetensors.torch")
    given = {"a": torch.randn(3, 2).half(), "b": torch.tensor(2.5), "c": torch.ones(0)}
    numpy.save_file(given, tmp_path / "w.safetensors", {"note": "three"})
    found, notes = read_weights(tmp_path / "w.safetensors")
    assert notes == {"note": "three"} and set(found) == set(given)
    for name, value in given.items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], value.float())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02\0\0\0\0\0\0\0[]",
        b"\x50" + b"\0" * 7 + b"{",
        b'\x38\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  ',
        b'\x36\0\0\0\0\0\0\0{"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}'
        + b"\0" * 8,
    ],
)
def test_a_broken_file_is_named(tmp_path, content):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"path: .*broken\.safetensors"):
        read_weights(path)


def test_a_missing_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_weights(tmp_path / "none")
