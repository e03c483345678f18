"""What an OPC UA client browses: an object for each bank with its last result, and the events of results.

The event is named, and its fields are, as ``ResultReadyEventType`` of OPC 40100-1 (OPC UA for Machine Vision, Part 1),
but in a namespace of our own, with plain strings where the companion has structures of ids; the
companion's nodeset is not shipped. Every other event leaves as ``NominalEventType`` with its whole envelope.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from asyncua import Node, Server, ua
from asyncua.server.event_generator import EventGenerator

from app.events import Event
from app.events.results import Result

NAMESPACE = "urn:nominal:inspection"
COMPLETED = 1  # of OPC 40100-1's ResultState
MOST_AT_ONCE = 256  # banks that are shown before their first result
TYPES = ua.VariantType
OF_BANKS: Mapping[str, tuple[Any, ua.VariantType]] = {
    "Ready": (False, TYPES.Boolean),
    "Decision": ("", TYPES.String),
    "DecisionCode": (0, TYPES.UInt16),
    "Score": (float("nan"), TYPES.Double),
    "ReviewThreshold": (float("nan"), TYPES.Double),
    "RejectThreshold": (float("nan"), TYPES.Double),
    "Serial": ("", TYPES.String),
    "Station": ("", TYPES.String),
    "Version": (0, TYPES.UInt32),
    "InspectionId": ("", TYPES.String),
    "Time": (datetime(1970, 1, 1, tzinfo=UTC), TYPES.DateTime),
    "Result": ("", TYPES.String),
}
"""Variables of a bank: what they hold before the first result, and their types. ``Result`` is the envelope whole."""
OF_RESULTS = {
    "ResultId": TYPES.String, "MeasId": TYPES.String, "PartId": TYPES.String, "ExternalRecipeId": TYPES.String,
    "InternalRecipeId": TYPES.String, "IsPartial": TYPES.Boolean, "IsSimulated": TYPES.Boolean,
    "ResultState": TYPES.Int32, "CreationTime": TYPES.DateTime, "ResultContent": TYPES.String,
    "Bank": TYPES.String, "Station": TYPES.String, "Decision": TYPES.String, "Score": TYPES.Double,
    "ReviewThreshold": TYPES.Double, "RejectThreshold": TYPES.Double,
}  # fmt: skip
"""Fields of a result's event: the companion's names first, then ours."""
OF_OTHERS = {"Kind": TYPES.String, "Bank": TYPES.String, "Envelope": TYPES.String}


class BankNode:
    """One bank's object with its variables, and its two kinds of events, each sent from the object and the server."""

    def __init__(self, name: str, node: Node, variables: dict[str, Node]) -> None:
        self.name, self.node, self._variables = name, node, variables
        self.results: list[EventGenerator] = []
        self.others: list[EventGenerator] = []

    async def write(self, at: Any = None, **values: Any) -> None:
        """Variables; at: when their values were true."""
        for name, value in values.items():
            variant = ua.Variant(value, OF_BANKS[name][1])
            await self._variables[name].write_value(ua.DataValue(variant, SourceTimestamp=at))


class Space:
    """The objects of a server, made when they are first needed."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._banks: dict[str, BankNode] = {}

    async def build(self) -> None:
        """The root object and the types of events."""
        server = self._server
        self._index = await server.register_namespace(NAMESPACE)
        base = ua.ObjectIds.BaseEventType
        make = server.create_custom_event_type
        self._result = await make(self._index, "ResultReadyEventType", base, [*OF_RESULTS.items()])
        self._other = await make(self._index, "NominalEventType", base, [*OF_OTHERS.items()])
        self._root = await server.nodes.objects.add_object(
            ua.NodeId("Nominal", self._index), self._name("Nominal")
        )
        self._healthy = await self._variable(self._root, "Nominal.Healthy", "Healthy", False, TYPES.Boolean)
        self._beat = await self._variable(self._root, "Nominal.Heartbeat", "Heartbeat", 0, TYPES.UInt32)
        self._whole = await self._generators(self._result, self._root)

    async def state(self, healthy: bool, beat: int, banks: Mapping[str, bool] | None) -> None:
        """Of this second; ``banks`` whether each can decide, where that was looked at."""
        await self._healthy.write_value(healthy)
        await self._beat.write_value(ua.Variant(beat, TYPES.UInt32))
        for bank, ready in (banks or {}).items():
            if bank in self._banks or len(self._banks) < MOST_AT_ONCE:
                await (await self.bank(bank)).write(Ready=healthy and ready)

    async def bank(self, name: str) -> BankNode:
        """Its object."""
        if (found := self._banks.get(name)) is None:
            path = ua.NodeId(f"Nominal.{name}", self._index)
            node = await self._root.add_object(path, self._name(name))
            variables = {
                each: await self._variable(node, f"Nominal.{name}.{each}", each, value, kind)
                for each, (value, kind) in OF_BANKS.items()
            }
            found = self._banks[name] = BankNode(name, node, variables)
            found.results = await self._generators(self._result, node)
            found.others = await self._generators(self._other, node)
        return found

    async def show(self, event: Event) -> None:
        """A decision: its values written, then its event sent."""
        result, bank = Result.of(event), await self.bank(event.bank)
        shared = {
            "Decision": result.decision, "Score": result.score, "ReviewThreshold": result.review_threshold,
            "RejectThreshold": result.reject_threshold, "Station": result.station,
        }  # fmt: skip
        await bank.write(
            result.at, **shared, DecisionCode=result.code, Serial=result.serial, Version=result.version,
            InspectionId=result.inspection, Time=result.at, Result=event.body,
        )  # fmt: skip
        fields = {
            **shared, "ResultId": result.inspection, "MeasId": result.inspection, "PartId": result.serial,
            "ExternalRecipeId": event.bank, "InternalRecipeId": f"{event.bank}/{result.version}",
            "IsPartial": False, "IsSimulated": False, "ResultState": COMPLETED, "CreationTime": result.at,
            "ResultContent": event.body, "Bank": event.bank,
        }  # fmt: skip
        await _send(bank.results, fields, result.at, f"{event.bank}: {result.decision}")

    async def tell(self, event: Event) -> None:
        """Any other event of a bank."""
        bank = await self.bank(event.bank)
        fields = {"Kind": event.kind, "Bank": event.bank, "Envelope": event.body}
        await _send(bank.others, fields, None, f"{event.bank}: {event.kind}")

    async def sample(self, event: Event) -> None:
        """An event that says it is simulated, of no bank; no value is touched."""
        said = json.loads(event.body)["data"]["message"]
        empty = {name: "" for name, kind in OF_RESULTS.items() if kind == TYPES.String}
        numbers = dict.fromkeys(("Score", "ReviewThreshold", "RejectThreshold"), float("nan"))
        fields = {
            **empty,
            **numbers,
            "IsSimulated": True,
            "IsPartial": False,
            "ResultState": 0,
            "ResultId": event.id,
        }
        await _send(self._whole, {**fields, "ResultContent": event.body}, None, said)

    async def _variable(self, parent: Node, path: str, name: str, value: Any, kind: ua.VariantType) -> Node:
        return await parent.add_variable(ua.NodeId(path, self._index), self._name(name), value, kind)

    async def _generators(self, kind: Node, source: Node) -> list[EventGenerator]:
        """Sent from the source and from the server object, where clients of any bank listen; both name the source."""
        made = []
        for emitting in (source, self._server.nodes.server):
            generator = await self._server.get_event_generator(kind, emitting)
            generator.event.SourceNode = source.nodeid
            generator.event.SourceName = (await source.read_browse_name()).Name
            made.append(generator)
        return made

    def _name(self, text: str) -> ua.QualifiedName:
        return ua.QualifiedName(text, self._index)


async def _send(generators: list[EventGenerator], fields: Mapping[str, Any], at: Any, message: str) -> None:
    for generator in generators:
        for name, value in fields.items():
            setattr(generator.event, name, value)
        generator.event.Severity = 1
        await generator.trigger(time_attr=at, message=message)
