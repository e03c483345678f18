"""``nominal show``, ``weights`` and ``doctor``; what every command shares."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fakes import tiny_weights
from parts import SMALL, build, parts
from rich.console import Console
from safetensors.torch import load_file, save_file

from app import __version__, cli
from app.cli import doctor
from app.cli.console import print_rows
from core.bank import save_bank
from core.detector import thresholds_of
from core.judging.calibration import promise
from models.checkpoint import content_digest
from models.spec import SPECS

pytest_plugins = ("command_line",)

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = ("build", "inspect", "eval", "show", "weights", "doctor")


@pytest.fixture
def bank(tmp_path) -> Path:
    save_bank(build(parts(12)), tmp_path / "part.bank")
    return tmp_path / "part.bank"


# show


def test_show_says_what_a_bank_holds_and_promises(nominal, bank):
    whole = build(parts(12))
    found = nominal("show", bank, "--json").json
    assert found["bank"] == str(bank)
    assert (found["backbone"], found["weights_digest"]) == ("tiny", whole.backbone.digest)
    assert (found["bank_vectors"], found["dimension"], found["nominal_images"]) == (*whole.vectors.shape, 12)
    assert found["threshold_reject"] == thresholds_of(whole).reject
    assert found["supported_false_reject"] == pytest.approx(1 / 13)
    assert found["pca"] is None
    shown = nominal("show", bank)
    assert shown.status == 0
    assert promise(12, SMALL.target_false_reject).text in shown.out
    assert "threshold reject" in shown.out


def test_check_proves_that_this_machine_scores_as_recorded(nominal, tiny, bank):
    assert nominal("show", bank, "--check", *tiny[2:], "--json").json["conformance_difference"] == 0
    assert "conformance difference" in nominal("show", bank, "--check", *tiny[2:]).out


def test_check_refuses_other_weights(nominal, tiny, bank, tmp_path):
    save_file(tiny_weights(seed=1).tensors, tmp_path / "other.safetensors")
    ended = nominal("show", bank, "--check", "--weights", tmp_path / "other.safetensors", "--json")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("BankMismatch: The bank needs tiny with weights")


# weights


def test_the_list_has_every_backbone_with_its_state(nominal):
    found = nominal("weights", "list", "--json").json["backbones"]
    assert [w["name"] for w in found] == list(SPECS)
    states = {w["name"]: w for w in found}
    assert states["efficientnet-lite2"]["status"] == "ready"
    assert states["efficientnet-lite2"]["digest"] == SPECS["efficientnet-lite2"].digest
    assert states["resnet18"]["status"] == "absent"
    assert "nominal weights import resnet18" in states["resnet18"]["detail"]
    assert states["resnet18"]["path"] is None
    shown = nominal("weights", "list").out
    assert all(name in shown for name in SPECS)


def test_exported_weights_can_be_imported_on_a_machine_without_any(nominal, tmp_path):
    out = tmp_path / "carried.safetensors"
    ended = nominal("weights", "export", "efficientnet-lite2", out)
    assert ended.status == 0
    assert str(SPECS["efficientnet-lite2"].digest) in ended.out
    assert content_digest(load_file(out)) == SPECS["efficientnet-lite2"].digest
    assert nominal("weights", "import", "efficientnet-lite2", out).status == 0
    listed = {w["name"]: w for w in nominal("weights", "list", "--json").json["backbones"]}
    assert listed["efficientnet-lite2"]["source"] == "cache"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("export", "resnet18", "out.safetensors"), "WeightsNotFound"),
        (("export", "vgg16", "out.safetensors"), "UnknownBackbone"),
        (("export", "efficientnet-lite2", "/proc/out.safetensors"), "WeightsNotWritten"),
        (("import", "resnet18", "absent.pth"), "WeightsNotFound"),
        (("import", "efficientnet-lite2", "text.pth"), "WeightsCorrupt"),
        (("import", "resnet18", "tiny.safetensors"), "WeightsWrongArchitecture"),
        (("fetch", "efficientnet-lite2"), "WeightsNotFound"),
        (("fetch", "vgg16"), "UnknownBackbone"),
    ],
)
def test_weights_that_cannot_be_had_are_refused_and_leave_nothing(
    words, error, nominal, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.pth").write_text("weights, honestly")
    save_file(tiny_weights().tensors, tmp_path / "tiny.safetensors")
    ended = nominal("weights", *words)
    assert (ended.status, ended.out) == (1, "")
    assert re.search(rf"^{error}: .+; received .+\. .+\.$", ended.err, re.MULTILINE)
    assert "Traceback" not in ended.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["text.pth", "tiny.safetensors"]


# doctor


def test_the_doctor_finds_versions_runtimes_weights_threads_and_memory(nominal):
    found = nominal("doctor", "--json").json
    assert set(found) == {"versions", "processor", "memory_mb", "runtimes", "weights"}
    assert found["versions"]["torch"].startswith("2.")
    assert found["memory_mb"]["total"] >= found["memory_mb"]["available"] > 0
    assert 1 <= found["processor"]["cores_to_use"] <= found["processor"]["cores"]
    assert set(found["weights"]) == set(SPECS)
    shown = nominal("doctor").out
    assert all(section in shown for section in found)


def test_the_doctor_does_without_what_is_not_installed(nominal, monkeypatch):
    def missing(name):
        raise doctor.PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", missing)
    assert set(nominal("doctor", "--json").json["versions"].values()) >= {"not installed"}


# All commands


def test_every_command_explains_itself(nominal):
    for command in COMMANDS:
        ended = nominal(command, "--help")
        assert ended.status == 0
        assert "Usage" in ended.out
    assert nominal().status == 2
    assert nominal("polish").status == 2


def test_an_error_nobody_foresaw_in_a_file_system_is_plain_too(nominal, monkeypatch, bank):
    def fail(*_):
        raise OSError(5, "Input/output error", "part.bank")

    monkeypatch.setattr("app.cli.bank.load_bank", fail)
    ended = nominal("show", bank)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("OSError: The system must let a file be read or written; received [Errno 5] ")


def test_ctrl_c_at_any_moment_gives_130(nominal, monkeypatch, bank):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("app.cli.bank.load_bank", interrupted)
    monkeypatch.setattr("os._exit", sys.exit)  # the tests' process goes on
    ended = nominal("show", bank, "--json")
    assert (ended.status, ended.out) == (130, "")
    assert "Traceback" not in ended.err


def test_the_module_runs_as_the_console_script_does():
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "weights", "list", "--json"], capture_output=True, cwd=ROOT
    )
    assert done.returncode == 0
    assert [w["name"] for w in json.loads(done.stdout)["backbones"]] == list(SPECS)
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["nominal"]
    assert script == "app.cli:main"


def test_every_command_is_found_by_its_name_and_help_says_of_it_what_its_own_help_says(nominal):
    for name, line in cli.COMMANDS.items():
        found = cli.command(name)
        assert found.name == name
        assert (found.help or "").split("\n")[0].startswith(line.rstrip(".").split(",")[0])


def test_the_version_is_printed_and_h_is_help(nominal):
    printed = nominal("--version")
    assert (printed.status, printed.out) == (0, f"nominal {__version__}\n")
    for words in ([], ["keys"], ["remote", "banks", "list"]):
        short, long = nominal(*words, "-h"), nominal(*words, "--help")
        assert (short.status, short.out) == (0, long.out)


@pytest.mark.parametrize(
    ("typed", "found"), [("rem", "remote"), ("remote ba", "banks"), ("keys create --ro", "--role")]
)
def test_a_shell_completes_commands_and_options(typed, found):
    words = f"nominal {typed}"
    asked = {
        "_NOMINAL_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    program = "import sys; sys.argv = ['nominal']; from app.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=os.environ | asked
    )
    assert done.stdout.split() == [found], done.stderr


def test_an_id_is_whole_on_a_narrow_terminal_and_a_piped_line_is_not_wrapped(monkeypatch):
    id, name = "0123456789abcdef" * 2, "a name that is long " * 9
    narrow = Console(width=80, force_terminal=True, file=io.StringIO())
    columns = {"id": lambda row: id, **{f"column {i}": lambda row: name for i in range(9)}}
    monkeypatch.setattr("app.cli.console.stdout", narrow)
    print_rows([None], columns)
    assert id in narrow.file.getvalue()
    assert "\N{HORIZONTAL ELLIPSIS}" not in narrow.file.getvalue()
    program = "from app.cli.console import print_rows; print_rows(['x' * 300], {'id': str, 'again': str})"
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert piped.stdout.splitlines()[1].split() == ["x" * 300] * 2


@pytest.mark.parametrize("words", [["--help"], ["remote", "--help"], ["keys", "list"], ["store", "--help"]])
def test_commands_that_compute_nothing_wait_for_no_torch(words, tmp_path):
    program = (
        "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, 'fastapi' in sys.modules))"
    )
    program += f"; sys.argv = ['nominal', *{words}]; from app.cli import main; main()"
    environment = os.environ | {"NOMINAL_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False False"


def test_the_commands_and_targets_that_readme_names_exist(nominal):
    printed = nominal("--help").out
    commands = set(cli.COMMANDS)
    assert set(COMMANDS) <= commands
    assert all(name in printed for name in commands)
    readme, makefile = ((ROOT / name).read_text() for name in ("README.md", "Makefile"))
    code = " ".join(re.findall(r"```.*?```|`[^`\n]+`", readme, re.DOTALL))
    named = set(re.findall(r"(?<![\w-])nominal ([a-z]+)", code))
    targets = set(re.findall(r"(?<![\w-])make ([a-z][a-z-]*)", code))
    assert named - commands == set()
    assert {"build", "inspect"} <= named
    assert targets - set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE)) == set()
    assert {"demo", "test"} <= targets
