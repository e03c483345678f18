"""A weights file is held to every tensor its layers need, and a bad one is refused by name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes import tiny_spec, tiny_weights
from safetensors.torch import load_file, save_file
from torch import Tensor

from models import checkpoint
from models.checkpoint import (
    content_digest,
    needed_shapes,
    read_weights,
    verified_weights,
    write_trimmed,
)
from models.errors import WeightsCorrupt, WeightsNotFound, WeightsWrongArchitecture, WeightsWrongDigest
from models.spec import BackboneSpec, spec_of

PINNED = replace(tiny_spec(), digest=tiny_weights().digest)


def tensors() -> dict[str, Tensor]:
    return {name: t.clone() for name, t in tiny_weights().tensors.items()}


def saved(path: Path, content: dict[str, Tensor]) -> Path:
    save_file(content, path)
    return path


def saved_torch(path: Path, content: object, *, old: bool = False) -> tuple[Path, str]:
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_digest_is_the_documented_sha256() -> None:
    content = {"b": torch.tensor([[1.0, 2.0]]), "a": torch.tensor([0.5])}
    sha = hashlib.sha256()
    sha.update(b"a F32 1\n" + bytes.fromhex("0000003f"))
    sha.update(b"b F32 1,2\n" + bytes.fromhex("0000803f00000040"))
    assert content_digest(content) == sha.hexdigest()


def test_full_and_trimmed_files_have_one_digest(tmp_path: Path) -> None:
    full = tensors() | {
        "head.weight": torch.ones(5, 20),
        "stem.1.num_batches_tracked": torch.tensor(7),
    }
    write_trimmed(tiny_weights(), PINNED, tmp_path / "trimmed.safetensors")
    for path in (saved(tmp_path / "full.safetensors", full), tmp_path / "trimmed.safetensors"):
        weights = read_weights(path, PINNED)
        assert weights.digest == PINNED.digest
        assert set(weights.tensors) == set(needed_shapes(PINNED))


@pytest.mark.parametrize("old", [False, True], ids=["zip", "bare pickle"])
def test_published_torch_file_is_read(tmp_path: Path, old: bool) -> None:
    path, sha = saved_torch(tmp_path / "w.pth", tensors(), old=old)
    assert read_weights(path, replace(PINNED, file_sha256=sha[:8])).digest == PINNED.digest


def test_torch_file_of_unknown_digest_is_not_even_opened(tmp_path: Path) -> None:
    path, sha = saved_torch(tmp_path / "w.pth", tensors())
    with pytest.raises(WeightsWrongDigest, match=f"accept_digest={sha}"):
        read_weights(path, replace(PINNED, file_sha256="00000000"))
    assert read_weights(path, PINNED, accept_digest=sha).digest == PINNED.digest


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("harmed"),))


def test_torch_file_that_would_run_code_is_refused_even_when_vouched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path, sha = saved_torch(tmp_path / "w.pth", {"stem.0.weight": _Evil()})
    with pytest.raises(WeightsCorrupt):
        read_weights(path, PINNED, accept_digest=sha)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    "content", [[1, 2], {"epoch": 3}, {"state_dict": {}}], ids=["list", "number", "nested"]
)
def test_torch_file_that_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    path, sha = saved_torch(tmp_path / "w.pth", content)
    with pytest.raises(WeightsCorrupt):
        read_weights(path, PINNED, accept_digest=sha)


def test_truncated_torch_file_is_refused(tmp_path: Path) -> None:
    path, sha = saved_torch(tmp_path / "w.pth", tensors())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsWrongDigest):
        read_weights(path, replace(PINNED, file_sha256=sha[:8]))
    with pytest.raises(WeightsCorrupt):
        read_weights(path, PINNED, accept_digest=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 50, -1])
def test_truncated_safetensors_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = saved(tmp_path / "w.safetensors", tensors())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(WeightsCorrupt, match=r"w\.safetensors"):
        read_weights(path, PINNED)


@pytest.mark.parametrize(
    "header",
    [
        {"stem.0.weight": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 4]}},
        {"stem.0.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1 << 60]}},
        {"stem.0.weight": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 4]}},
    ],
    ids=["huge shape", "offset past the end", "unknown dtype"],
)
def test_hostile_header_is_refused(tmp_path: Path, header: dict[str, object]) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0\0\0\0")
    with pytest.raises(WeightsCorrupt):
        read_weights(path, PINNED)


def test_text_file_and_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text("not weights at all, but long enough to have a header")
    with pytest.raises(WeightsCorrupt):
        read_weights(tmp_path / "w.txt", PINNED)
    with pytest.raises(WeightsNotFound):
        read_weights(tmp_path, PINNED)
    with pytest.raises(WeightsNotFound, match="absent"):
        read_weights(tmp_path / "absent", PINNED)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_value_that_is_not_finite_is_refused_with_its_tensor(tmp_path: Path, value: float) -> None:
    content = tensors()
    content["fine.0.weight"][0, 0, 0, 0] = value
    with pytest.raises(WeightsCorrupt, match=r"fine\.0\.weight is NaN or infinite"):
        read_weights(saved(tmp_path / "w.safetensors", content), tiny_spec())


def test_negative_variance_is_refused(tmp_path: Path) -> None:
    content = tensors()
    content["stem.1.running_var"][3] = -1
    with pytest.raises(WeightsCorrupt, match=r"stem\.1\.running_var is negative"):
        read_weights(saved(tmp_path / "w.safetensors", content), tiny_spec())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"deep.0.weight": None}, r"deep\.0\.weight is absent"),
        ({"deep.0.bias": torch.zeros(21)}, r"deep\.0\.bias is float32 \(21,\), not float32 \(20,\)"),
        ({"deep.0.bias": torch.zeros(20).half()}, r"deep\.0\.bias is float16 \(20,\)"),
        ({"deep.1.weight": torch.zeros(4)}, r"deep\.1\.weight is of another network"),
    ],
    ids=["absent", "shape", "dtype", "one layer more"],
)
def test_other_architecture_is_refused_with_the_tensors(
    tmp_path: Path, change: dict[str, Tensor | None], said: str
) -> None:
    content = {name: t for name, t in (tensors() | change).items() if t is not None}
    with pytest.raises(WeightsWrongArchitecture, match=said):
        read_weights(saved(tmp_path / "w.safetensors", content), PINNED)


def test_deeper_network_whose_first_layers_fit_is_refused(tmp_path: Path) -> None:
    """resnet101 has every tensor of resnet50's layers, and seventeen blocks more in layer3."""
    spec = spec_of("resnet18")
    content = {name: torch.ones(shape) for name, shape in needed_shapes(spec).items()}
    assert read_weights(saved(tmp_path / "w.safetensors", content), spec).tensors
    content["layer3.2.conv1.weight"] = torch.ones(256, 256, 3, 3)
    with pytest.raises(WeightsWrongArchitecture, match=r"layer3\.2\.conv1\.weight is of another network"):
        read_weights(saved(tmp_path / "w.safetensors", content), spec)


def test_other_content_than_the_pinned_one_is_refused_unless_vouched_for(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors", tiny_weights(seed=1).tensors)
    with pytest.raises(WeightsWrongDigest) as refused:
        read_weights(path, PINNED)
    digest = tiny_weights(seed=1).digest
    assert digest in refused.value.remedy
    assert read_weights(path, PINNED, accept_digest=digest).digest == digest
    with pytest.raises(WeightsWrongDigest):
        read_weights(path, PINNED, accept_digest="0" * 64)


def test_trimmed_resnet50_file_has_the_pinned_digest(shared: Path) -> None:
    path = shared / "weights" / "resnet50-imagenet1k_v1-thru-layer3.safetensors"
    if not path.is_file():
        pytest.skip("no trimmed resnet50 file beside this checkout")
    spec = spec_of("resnet50")
    weights = read_weights(path, spec)
    assert weights.digest == spec.digest
    assert set(weights.tensors) == set(load_file(path))


@pytest.mark.parametrize("other", ["wide_resnet50_2", "resnet18", "efficientnet-lite2"])
def test_resnet50_file_is_refused_by_every_other_backbone(shared: Path, other: str) -> None:
    path = shared / "weights" / "resnet50-imagenet1k_v1-thru-layer3.safetensors"
    if not path.is_file():
        pytest.skip("no trimmed resnet50 file beside this checkout")
    spec: BackboneSpec = spec_of(other)
    with pytest.raises(WeightsWrongArchitecture, match=other):
        read_weights(path, spec)


def test_a_published_file_is_verified_once_and_its_tensors_are_read_where_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOMINAL_CACHE", str(tmp_path / "cache"))
    spec = PINNED
    path = saved(tmp_path / "w.safetensors", tiny_weights().tensors)
    read = []
    monkeypatch.setattr(checkpoint, "read_weights", lambda *of: read.append(of) or read_weights(*of))
    first, second = verified_weights(path, spec), verified_weights(path, spec)
    assert len(read) == 1
    assert first.digest == second.digest == spec.digest
    assert set(second.tensors) == set(first.tensors)
    assert len(read) == 2
    saved(path, tiny_weights(seed=1).tensors)
    with pytest.raises(WeightsWrongDigest):
        verified_weights(path, spec)
    with pytest.raises(WeightsNotFound):
        verified_weights(tmp_path / "absent", spec)
    with pytest.raises(WeightsNotFound):
        verified_weights(tmp_path, spec)
