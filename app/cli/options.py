"""Options that several commands share; those of a bank's settings follow from their declaration in core/config.py."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from app.imaging.decode import ImageLimits
from app.imaging.outlines import mask_from_file
from app.ops.process import own_cores
from app.settings import PREFIX, Settings
from core.config import BUILD_MEMORY, DetectorConfig, InputConfig
from core.declared import Declared, all_settings, parts
from models.backbone import Backbone, load_backbone

BackboneName = Annotated[
    str, typer.Option("--backbone", help="auto, resnet50, wide_resnet50_2, resnet18 or efficientnet-lite2.")
]
MemoryMb = Annotated[
    int, typer.Option("--memory-mb", min=64, help="Working memory of a build beyond the backbone.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip images that cannot be read, naming them.")]
GroupsOption = Annotated[
    str,
    typer.Option(
        "--groups",
        help="Which photographs show one part: auto finds them, none takes each for its own, a regular expression "
        "finds the part in a file's name, a file has lines of image,part.",
    ),
]
MaskOption = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        help="Where photographs are inspected: a picture, bright there and dark elsewhere, or outlines as JSON "
        "(docs/images.md).",
    ),
]
MEMORY_MB = BUILD_MEMORY >> 20


@dataclass(frozen=True)
class Machine:
    """How this machine runs a backbone: each field is an option of the commands that load one."""

    weights: Annotated[
        Path | None, typer.Option("--weights", help="Weights file for the backbone: .pth or .safetensors.")
    ] = None
    offline: Annotated[bool, typer.Option("--offline", help="Never try to fetch weights.")] = False
    runtime: Annotated[str, typer.Option("--runtime", help="auto, torch, torch-cuda or openvino.")] = "auto"
    precision: Annotated[
        str, typer.Option("--precision", help="auto, float32, bfloat16, int8 or, on CUDA, float16.")
    ] = "auto"
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="Compute threads; by default one per available core."),
    ] = None

    def load(self, name: str, precision: str | None = None) -> Backbone:
        """The backbone, in the precision asked for unless another is named. Raises ModelError."""
        asked = precision or self.precision
        return load_backbone(
            name, self.weights, not self.offline, self.runtime, own_cores(self.threads), asked
        )


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with options in place of each parameter of a type in ``_GROUPS``, which it receives made of them.

    Typer reads the signature. Raises ConfigError for a setting out of its range.
    """
    own = inspect.signature(command, eval_str=True).parameters.values()
    groups = {
        parameter.name: _GROUPS[parameter.annotation] for parameter in own if parameter.annotation in _GROUPS
    }

    @functools.wraps(command)
    def run(**given: Any) -> None:
        for name, (options, make) in groups.items():
            given[name] = make({option.name: given.pop(option.name) for option in options})
        command(**given)

    # keyword-only: in the order of the help, whichever have defaults
    shown = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in own
        for option in (groups[parameter.name][0] if parameter.name in groups else [parameter])
    ]
    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {option.name: option.annotation for option in shown}
    return run


def masked(input_: InputConfig, mask: Path | None, limits: ImageLimits) -> InputConfig:
    """With the mask of a file, if one is named. Raises MaskError, ImageRefused, FolderError, ConfigError."""
    return input_ if mask is None else replace(input_, mask=mask_from_file(mask, limits))


def _option(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


SHOWN = {s.option.removeprefix("--").replace("-", "_"): s for s in all_settings(DetectorConfig) if s.option}
"""The settings with an option, by its name in Python and in JSON."""

WHOLE = {name: part for name, part in parts(DetectorConfig).items() if part.option}
"""The parts of a config that one option sets, by name."""


def _settings(part: str | None = None) -> list[inspect.Parameter]:
    """Those of one part, or all. Text and numbers are taken as they come: the config refuses what is out of range."""
    options = []
    for name, setting in SHOWN.items():
        if part not in (None, setting.part):
            continue
        kind: Any = setting.type | None if setting.default is None else setting.type
        hint = Annotated[kind, typer.Option(setting.option, help=setting.help)]
        options.append(_option(name, setting.default, hint))
    if part is None:
        options += [_whole(name, kind) for name, kind in WHOLE.items()]
    return options


def _whole(name: str, part: type[Declared]) -> inspect.Parameter:
    help = f"{(part.__doc__ or '').partition('.')[0]}. By name, such as {part.example}; the rest is off."
    return _option(name, "", Annotated[str, typer.Option(part.option, help=help)])


def _config(given: dict[str, Any]) -> DetectorConfig:
    change: dict[str, Any] = {}
    for name, value in given.items():
        if name in WHOLE:
            change[name] = WHOLE[name].from_text(value)
            continue
        setting = SHOWN[name]
        place = change.setdefault(setting.part, {}) if setting.part else change
        place[setting.name] = value
    return DetectorConfig().changed(change)


def _machine() -> list[inspect.Parameter]:
    hints = get_type_hints(Machine, include_extras=True)
    return [_option(field.name, field.default, hints[field.name]) for field in fields(Machine)]


def _limits() -> list[inspect.Parameter]:
    """Two of the service's settings, from their table: by option here, or by their variable as there."""
    options = []
    for name in ("max_image_bytes", "max_pixels"):
        field, option = Settings.model_fields[name], "--" + name.replace("_", "-")
        hint = Annotated[
            int, typer.Option(option, min=1, envvar=PREFIX + name.upper(), help=field.description)
        ]
        options.append(_option(name, field.default, hint))
    return options


_GROUPS: dict[Any, tuple[list[inspect.Parameter], Callable[[dict[str, Any]], Any]]] = {
    DetectorConfig: (_settings(), _config),
    InputConfig: (_settings(InputConfig.part), lambda given: _config(given).input),
    Machine: (_machine(), lambda given: Machine(**given)),
    ImageLimits: (_limits(), lambda given: ImageLimits(*given.values())),
}
