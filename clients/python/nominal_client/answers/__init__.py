"""What answers say, as pydantic models: the server makes its OpenAPI document of them, the client reads with them."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

BankId = Annotated[str, Field(description="1 to 63 of a-z, 0-9, '_', '-'; begins with a letter or digit.")]
JsonObject = dict[str, Any]


class Answer(BaseModel):
    """An answer, read from a row or a mapping; never changed."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Page(Answer, Generic[T]):
    """Some items; ``next`` is the cursor to ask for more with, null after the last."""

    items: list[T]
    next: str | None = None
