"""What requests hold, as pydantic models, of which the OpenAPI document is made; nominal_client has the answers'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from app.events.kinds import AnyTarget
from app.events.managing import MOST_OVERLAP, OVERLAP_SECONDS
from app.store.key_limits import MOST, MOST_SHARE
from app.store.links import MOST_MINUTES
from app.store.scope import MOST_NAMES
from core.config import EXPECTED_SUSPECTS, DetectorConfig
from core.declared import Declared, own_settings, parts
from core.judging.economics import MOST_COST
from nominal_client.answers import BankId
from nominal_client.answers.inspections import Decision, Finding
from nominal_client.answers.server import Priority, Role
from nominal_client.answers.sinks import EventKind

Rate = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=MOST_SHARE, allow_inf_nan=False)]
Quota = Annotated[int, Field(gt=0, le=MOST)]
Score = Annotated[float, Field(ge=0, allow_inf_nan=False, le=1e30)]
Cost = Annotated[float, Field(ge=0, allow_inf_nan=False, le=MOST_COST)]
Note = Annotated[str, Field(max_length=4000)]
KindName = Annotated[
    str, Field(max_length=256, description="1 to 64 characters, without the spaces around it.")
]
VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Request(BaseModel):
    """A body: what it does not name is refused, so that a misspelt field cannot stay without effect."""

    model_config = ConfigDict(extra="forbid")


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


Title = Annotated[str, Field(max_length=200)]


class BankChange(Request):
    """What may change of a bank; null takes an override back, what is left out stays."""

    title: Title | None = None
    config: ConfigChange | None = Field(None, description="For the next builds; laid over the present one.")
    pinned: bool | None = Field(None, description="Whether its active version stays in memory.")
    priority: Priority | None = Field(
        None, description="Of its inspections, where their key has none; normal when null."
    )
    share: Share | None = Field(None, description="Guaranteed part of decoding and inference; null: none.")
    target_false_reject: Rate | None = Field(None, description="Share of good parts that may be rejected.")
    target_review: Rate | None = Field(
        None, description="Share of good parts that may be reviewed or rejected."
    )
    review_threshold: Score | None = Field(
        None, description="Score above which a person looks; over any rate."
    )
    reject_threshold: Score | None = Field(None, description="Score above which a part fails; over any rate.")
    note: Note | None = Field(None, description="Why thresholds or rates change; kept in their history.")


class BankCreate(BankChange):
    """A new bank: one view of one product."""

    id: BankId
    title: Title = ""


class BuildRequest(Request):
    """A build of the nominal set as it is now."""

    config: ConfigChange = Field(
        default_factory=lambda: ConfigChange.model_validate({}),
        description="For this build, over the bank's.",
    )
    activate: bool = Field(True, description="Whether the finished version becomes the active one.")
    groups: Literal["auto", "none", "serial"] | None = Field(
        None,
        description="Which photographs show one part: serial goes by their serial numbers, auto finds those that look "
        "alike, none takes each for a part of its own. By default serial where uploaded images have one, else auto.",
    )


class ScreeningRequest(Request):
    """A look over the nominal set as it is now, with the settings of a build."""

    expected: float = Field(
        EXPECTED_SUSPECTS,
        gt=0,
        lt=1,
        description="Share of images that may not belong; twice as many are listed as suspects.",
    )
    groups: Literal["auto", "none", "serial"] | None = Field(None, description="As of a build.")


class AdviceRequest(Request):
    """Advice on the settings, from a part of the nominal set as it is now."""

    within_seconds: float | None = Field(
        None,
        ge=1,
        le=86_400,
        description="Time by the clock; left out, it takes at most three plain builds of CPU time.",
    )
    groups: Literal["auto", "none", "serial"] | None = Field(None, description="As of a build.")


class PatternsRequest(Request):
    """Patterns of defects: what is frequent in a bank's rejects and absent from its nominal images."""

    patterns: int = Field(5, ge=1, le=16, description="How many to mine on each input.")


class CheckRequest(Request):
    """A check of a version by a labelled set as it is now."""

    version: VersionNumber | None = Field(None, description="The newest unless given.")


class Explored(Request):
    """Thresholds or rates to try in place of the bank's; a rate counts over a threshold that the bank keeps."""

    review_threshold: Score | None = None
    reject_threshold: Score | None = None
    target_false_reject: Rate | None = None
    target_review: Rate | None = None
    version: VersionNumber | None = Field(None, description="The active one when left out.")
    bins: int = Field(40, ge=1, le=400)

    def given(self) -> dict[str, float | None]:
        """Those that were said."""
        return self.model_dump(exclude_none=True, exclude={"version", "bins", "limit", "before"})


class Costed(Request):
    """What errors cost, in one currency, and how often parts are defective."""

    missed_defect: Cost = Field(description="What a defect that is accepted costs.")
    false_reject: Cost = Field(description="What a good part that is rejected costs.")
    defect_rate: Rate = Field(description="Share of all parts that are defective.")
    version: VersionNumber | None = Field(None, description="The active one when left out.")


class CompareRequest(Request):
    """Two versions, and how many kept images to look at; reviewed ones come first."""

    a: VersionNumber
    b: VersionNumber
    limit: int = Field(100, ge=1, le=500)


class ReviewRequest(Request):
    """What a person found."""

    verdict: Finding = Field(description="`withdrawn` takes the verdict back; what was said before stays.")
    note: Annotated[Note, Field(description="Anything that helps the next reader.")] = ""
    kind: KindName | None = Field(None, description="Of the defect, in your words; only where it is one.")


class KindRename(Request):
    """A kind, and what it is called from now on."""

    from_: Annotated[str, Field(alias="from", min_length=1, max_length=64)]
    to: KindName


class KeyLimits(Request):
    """What a key is given and held to; null takes a limit back, what is left out stays."""

    priority: Priority | None = Field(None, description="Of its inspections; the bank's when null.")
    share: Share | None = Field(None, description="Guaranteed part of decoding and inference; null: none.")
    requests_per_minute: Quota | None = Field(
        None, description="Requests that it may send; null: any number."
    )
    bytes_per_minute: Quota | None = Field(
        None, description="Bytes of bodies that it may send; null: any number."
    )
    in_flight: Quota | None = Field(None, description="Requests at once; null: any number.")


class KeyRequest(KeyLimits):
    """A new key."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    role: Role
    days: Annotated[float, Field(gt=0, le=36500, allow_inf_nan=False)] | None = Field(
        None, description="Days it is valid; as long as the server allows when null."
    )
    banks: list[str] | None = Field(
        None, max_length=MOST_NAMES, description="The only banks it is for; null: all."
    )
    stations: list[str] | None = Field(
        None, max_length=MOST_NAMES, description="The only stations it is for; null: all."
    )


class RotationRequest(Request):
    """A new key in an old one's place."""

    overlap_seconds: Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)] = Field(
        3600, description="How long the old key stays valid."
    )


class LinkRequest(Request):
    """A link to sign in by."""

    minutes: Annotated[float, Field(gt=0, le=MOST_MINUTES, allow_inf_nan=False)] = Field(
        10, description="How long it may be used, once."
    )


FILTERS = ("kinds", "banks", "decisions", "stations")
Names = Annotated[list[str], Field(min_length=1, max_length=MOST_NAMES)]


class SinkFilters(Request):
    """Which events a sink gets; null lets all by."""

    kinds: Annotated[list[EventKind], Field(min_length=1)] | None = Field(None, description="Of events.")
    banks: Names | None = None
    decisions: Annotated[list[Decision], Field(min_length=1)] | None = Field(
        None, description="Of inspections and their reviews."
    )
    stations: Names | None = Field(None, description="Of inspections, and of what else has a station.")
    enabled: bool = True
    password: Annotated[str, Field(max_length=1000)] | None = Field(
        None, description="At a broker; stored, never answered. Webhooks have none."
    )


class SinkRequest(SinkFilters):
    """A new sink."""

    id: Annotated[str, Field(description="1 to 63 of a-z, 0-9, '_', '-'; begins with a letter or digit.")]
    target: AnyTarget


class SinkChange(SinkFilters):
    """What may change of a sink; what is left out stays."""

    target: AnyTarget | None = Field(None, description="Whole, of the same kind.")


class SecretRotation(Request):
    """A new secret in an old one's place."""

    overlap_seconds: Annotated[float, Field(ge=0, le=MOST_OVERLAP, allow_inf_nan=False)] = Field(
        OVERLAP_SECONDS, description="How long events are signed by the old one too."
    )


class Resending(Request):
    """Which dead events are to be sent again."""

    ids: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = Field(
        None, description="All when null."
    )
