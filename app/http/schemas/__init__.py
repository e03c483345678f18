"""What requests hold and answers say, as pydantic models, of which the OpenAPI document is made; what they share."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

BankId = Annotated[str, Field(description="1 to 63 of a-z, 0-9, '_', '-'; begins with a letter or digit.")]
Rate = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Score = Annotated[float, Field(ge=0, allow_inf_nan=False, le=1e30)]
Note = Annotated[str, Field(max_length=4000)]
JsonObject = dict[str, Any]


class Request(BaseModel):
    """A body: what it does not name is refused, so that a misspelt field cannot stay without effect."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """An answer, read from a row or a mapping; never changed."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Page(Answer, Generic[T]):
    """Some items; ``next`` is the cursor to ask for more with, null after the last."""

    items: list[T]
    next: str | None = None
