"""A bank's settings as a change of them: every field may be left out. They follow from core/config.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model

from app.http.schemas.common import Request
from core.config import DetectorConfig
from core.declared import Declared, own_settings, parts


def _change(config: type[Declared], name: str, doc: str | None) -> type[Request]:
    """Its bounds are in the words of each description: the config itself refuses what is out of them."""
    inner = {
        part: _change(kind, f"{part.title()}Settings", kind.__doc__) for part, kind in parts(config).items()
    }
    fields: dict[str, Any] = {part: (kind | None, None) for part, kind in inner.items()}
    for setting in own_settings(config):
        fields[setting.name] = (setting.kind | None, Field(None, description=setting.help))
    return create_model(name, __base__=Request, __doc__=doc, __module__=__name__, **fields)


if TYPE_CHECKING:

    class ConfigChange(Request): ...
else:
    ConfigChange = _change(
        DetectorConfig, "ConfigChange", "Settings of builds; what is left out keeps its value."
    )
