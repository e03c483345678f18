"""Settings declared once: each field states its type, default, bounds and help, and all else follows from it.

``size: int = setting(3, "Cells on a side.", ge=1, le=9)`` in a frozen dataclass of ``Declared``. The checks here and in
JSON, the HTTP schema, the command line's options, the bank header and the table in docs/api.md are derived.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from core.errors import ConfigError

D = TypeVar("D", bound="Declared")
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)  # a bool is not a number; an int may be a float
_SHAPES: dict[type[Declared], tuple[tuple[Setting, ...], dict[str, type[Declared]]]] = {}


def setting(default: Any, help: str, option: str = "", later: bool = False, **bounds: Any) -> Any:
    """A field that is a setting. option: its name on the command line, if any. bounds: those of pydantic's ``Field``.

    later: whether JSON and bank headers hold it only where it differs from its default. Those written before there was
    such a setting stay as they are, and a release that does not know it refuses a bank that needs it.
    """
    return field(default=default, metadata={"help": help, "option": option, "later": later, "bounds": bounds})


@dataclass(frozen=True, eq=False)
class Setting:
    """One declared setting. part: of the config that holds it, empty for the config itself."""

    part: str
    name: str
    kind: Any
    default: Any
    description: str
    option: str
    later: bool
    bounds: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Unique in a config: ``seed``, ``input.size``."""
        return f"{self.part}.{self.name}".lstrip(".")

    @property
    def type(self) -> Any:
        """bool, int, float or str: that of a value which is not None."""
        if get_origin(self.kind) is Literal:
            return str
        return next((kind for kind in get_args(self.kind) if kind is not type(None)), self.kind)

    @property
    def allowed(self) -> str:
        """What a value must be, in words: ``in (0, 1]``, ``a multiple of 32 from 32 to 2,048``; empty for anything."""
        if get_origin(self.kind) is Literal:
            return f"one of {', '.join(map(str, get_args(self.kind)))}"
        if "gt" in self.bounds:
            end = f"{self.bounds['le']}]" if "le" in self.bounds else f"{self.bounds['lt']})"
            return f"in ({self.bounds['gt']}, {end}"
        step = f"a multiple of {self.bounds['multiple_of']} " if "multiple_of" in self.bounds else ""
        return f"{step}from {self.bounds['ge']:,} to {self.bounds['le']:,}" if self.bounds else ""

    @property
    def help(self) -> str:
        """What it is, within which bounds, as a sentence."""
        bounds = f", {self.allowed}" if self.bounds else ""
        return f"{self.description.rstrip('.')}{bounds}{'; none by default' if self.default is None else ''}."

    def checked(self, value: Any) -> Any:
        """The value, an int as a float where a float belongs. Raises ConfigError."""
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            wrong_type = error.errors(include_url=False)[0]["type"].endswith("_type")
            must = getattr(self.kind, "__name__", str(self.kind)) if wrong_type else self.allowed
            raise ConfigError(
                requirement=f"{self.key.replace('.', ' ')} must be {must}",
                received=f"{value!r}"[:80],
                remedy=f"choose {self._near(value)}",
            ) from None

    def parsed(self, text: str | None) -> Any:
        """The value that a word of a command line says; None for a name without one. Raises ConfigError."""
        if self.type is bool:
            require(
                text is None, f"{self.name} takes no value: its name turns it on", text, "leave the value out"
            )
            return True
        try:
            return self.checked(self.type(text or ""))
        except ValueError:
            return self.checked(text or "")

    @cached_property
    def _adapter(self) -> Any:
        hint: Any = Annotated[self.kind, Field(**self.bounds)]
        return TypeAdapter(hint, config=_STRICT)

    def _near(self, value: Any) -> str:
        """A value that would do."""
        step = self.bounds.get("multiple_of")
        if step and isinstance(value, int):
            return str(round(max(self.bounds["ge"], min(self.bounds["le"], value)) / step) * step)
        return str(self.default) if self.default is not None else f"one {self.allowed}, or leave it out"


class Declared:
    """Base of a frozen dataclass whose fields are settings, or parts that are themselves ``Declared``."""

    part: ClassVar[str] = ""  # its name in the config that holds it
    option: ClassVar[str] = ""  # of the whole part on the command line, as ``from_text`` reads it, if any
    example: ClassVar[str] = ""  # of what such an option takes

    def __post_init__(self) -> None:
        for one in own_settings(type(self)):
            object.__setattr__(self, one.name, one.checked(getattr(self, one.name)))

    def values(self) -> dict[Setting, Any]:
        """Every setting with its value, those of the parts first."""
        inner = {
            one: value for name in parts(type(self)) for one, value in getattr(self, name).values().items()
        }
        return inner | {one: getattr(self, one.name) for one in own_settings(type(self))}

    def later(self) -> tuple[str, ...]:
        """Keys of the settings that came ``later`` and are not at their defaults."""
        return tuple(one.key for one, value in self.values().items() if one.later and value != one.default)

    def changed(self: D, change: Mapping[str, Any]) -> D:
        """With JSON laid over it: what ``change`` leaves out keeps its value, in each part too. Raises ConfigError."""
        if not change:
            return self
        laid = self.to_json() | dict(change)
        for name in parts(type(self)).keys() & change.keys():
            if isinstance(change[name], Mapping):
                laid[name] = getattr(self, name).to_json() | change[name]
        return type(self).from_json(laid)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that ``from_json`` turns back into an equal config; without what came later and is not set."""
        inner = {name: json for name in parts(type(self)) if (json := getattr(self, name).to_json())}
        own = {one: getattr(self, one.name) for one in own_settings(type(self))}
        return inner | {one.name: v for one, v in own.items() if not one.later or v != one.default}

    @classmethod
    def from_json(cls: type[D], value: Any) -> D:
        """Read strictly: an unknown key, a missing one or a wrong type raises ConfigError; what came later may miss."""
        if not isinstance(value, Mapping):
            raise ConfigError(f"{cls.__name__} must be an object", type(value).__name__, "pass an object")
        inner, own = parts(cls), {one.name: one for one in own_settings(cls)}
        unknown = sorted(set(value) - {*inner, *own})
        needed = {name for name in inner if not came_later(inner[name])}
        missing = sorted({*needed, *(name for name in own if not own[name].later)} - set(value))
        if unknown or missing:
            raise ConfigError(
                requirement=f"{cls.__name__} must have exactly the keys {', '.join(sorted({*inner, *own}))}",
                received=f"unknown {unknown}, missing {missing}",
                remedy="correct the keys' spelling",
            )
        read = {name: inner[name].from_json if name in inner else own[name].checked for name in value}
        given = {n: c for n, c in value.items() if c is not None or n in own or n in needed}
        return cls(**{name: read[name](content) for name, content in given.items()})

    @property
    def text(self) -> str:
        """What differs from the defaults, as ``from_text`` reads it; empty for nothing."""
        own = {
            one.name.replace("_", "-"): getattr(self, one.name)
            for one in own_settings(type(self))
            if one.key in self.later()
        }
        return ",".join(name if value is True else f"{name}={value:g}" for name, value in own.items())

    @classmethod
    def from_text(cls, text: str) -> dict[str, Any]:
        """JSON of ``rotation=15,flips``: settings by name, a bool is true by its name only. Raises ConfigError."""
        own = {one.name.replace("_", "-"): one for one in own_settings(cls)}
        given: dict[str, Any] = {}
        for word in filter(None, map(str.strip, text.split(","))):
            name, equals, value = word.partition("=")
            one = own.get(name)
            require(one is not None, f"{cls.part} knows {', '.join(own)}", word, "correct the spelling")
            assert one is not None
            require(one.name not in given, f"{cls.part} takes each name once", word, "leave one of them out")
            given[one.name] = one.parsed(value if equals else None)
        return given


def own_settings(config: type[Declared]) -> tuple[Setting, ...]:
    """Those that are a config's own fields, in order."""
    return _shape(config)[0]


def parts(config: type[Declared]) -> dict[str, type[Declared]]:
    """The parts of a config by name, in order."""
    return _shape(config)[1]


def came_later(config: type[Declared]) -> bool:
    """Whether every setting of a part came later, so that a config without it is whole."""
    return all(one.later for one in all_settings(config))


def all_settings(config: type[Declared]) -> tuple[Setting, ...]:
    """Every setting of a config, those of its parts first."""
    return (*(one for part in parts(config).values() for one in all_settings(part)), *own_settings(config))


def _shape(config: type[Declared]) -> tuple[tuple[Setting, ...], dict[str, type[Declared]]]:
    if config not in _SHAPES:
        hints = get_type_hints(config)
        known = fields(config)  # type: ignore[arg-type]  # a dataclass
        own = [f for f in known if f.metadata]
        made = (Setting(config.part, f.name, hints[f.name], f.default, *f.metadata.values()) for f in own)
        _SHAPES[config] = tuple(made), {f.name: hints[f.name] for f in known if not f.metadata}
    return _SHAPES[config]


def require(holds: bool, requirement: str, received: object, remedy: str) -> None:
    """Raise ConfigError unless a rule among several settings holds."""
    if not holds:
        raise ConfigError(requirement=requirement, received=str(received)[:80], remedy=remedy)
