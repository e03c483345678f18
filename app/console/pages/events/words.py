"""Words of sinks and their events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import Plural, table


@dataclass(frozen=True)
class Events:
    """English."""

    name: str = "Events"
    lead: str = "Every decision leaves once, again until it is acknowledged: webhooks, MQTT, OPC UA, Modbus."
    admins: str = "Only administrators see and change where events go."
    none: str = "No sink yet"
    none_hint: str = (
        "Add a webhook, an MQTT broker, an OPC UA or a Modbus server: it gets every event from then on, in order "
        "for each bank."
    )
    add: str = "Add a sink"
    sinks: str = "Sinks"
    id: str = "Id"
    id_hint: str = "a-z, 0-9, _ and -; topics and metrics name it"
    kind: str = "Kind"
    kinds: Mapping[str, str] = table({
        "webhook": "Webhook", "mqtt": "MQTT broker", "opcua": "OPC UA server", "modbus": "Modbus TCP server",
    })  # fmt: skip
    place: str = "Goes to"
    wants: str = "Gets"
    everything: str = "every event"
    state: str = "State"
    waiting: str = "Waiting"
    waiting_since: str = "{n}, the oldest: {age}"
    dead: str = "Dead"
    delivered: str = "Delivered"
    works: str = "Works"
    quiet: str = "Nothing sent yet"
    fails: str = "Fails"
    off: str = "Off"
    url: str = "Address"
    url_hint: str = "https://mes.example/nominal; private addresses need NOMINAL_SINK_ADDRESSES"
    host: str = "Broker"
    port: str = "Port"
    port_hint: str = "8883 with TLS, else 1883"
    opcua_port_hint: str = "4840 when empty"
    modbus_port_hint: str = "502 when empty"
    address: str = "Listens on"
    address_hint: str = "An IP address of the server that has the sink; 127.0.0.1 reaches only that machine"
    on_machine: str = "{place} on {machine}"
    security: str = "Security"
    securities: Mapping[str, str] = table({
        "encrypt": "Signed and encrypted", "sign": "Signed", "none": "None",
    })  # fmt: skip
    clients: str = "Client certificates to let in, PEM"
    clients_hint: str = "Or their authorities; any client's when empty"
    anonymous: str = "Clients may be anonymous"
    units: str = "Units"
    units_hint: str = "Each bank's unit from 1 to 247, such as caps=1, lids=2"
    units_needed: str = "units must name a bank and a number each"
    scale: str = "Scale"
    scale_hint: str = "Scores times this are in the 16-bit registers"
    scale_needed: str = "1 to 10000"
    acknowledge: str = "The controller acknowledges each result"
    tls: str = "Encrypt with TLS"
    ca: str = "Authority to trust, PEM"
    ca_hint: str = "The system's when empty"
    version: str = "MQTT version"
    username: str = "User name"
    password: str = "Password"
    topic: str = "Topic"
    topic_hint: str = "{bank} and {kind} are filled in"
    event_kinds: str = "Kinds of events"
    event_kind: Mapping[str, str] = table({
        "decided": "Inspection decided", "reviewed": "Inspection reviewed", "activated": "Version activated",
        "unhealthy": "Bank unhealthy", "thresholds": "Thresholds changed", "drift": "Drift",
    })  # fmt: skip
    banks: str = "Banks"
    decisions: str = "Decisions"
    stations: str = "Stations"
    stations_hint: str = "Separated by commas; all when empty"
    all_hint: str = "All when none is chosen"
    add_title: str = "Add a sink"
    port_needed: str = "1 to 65535"
    secret_title: str = "The secret of {id}"
    secret_text: str = "Give it to the receiver, which verifies signatures with it. It is shown this once."
    sample: str = "Send a sample"
    sampled: str = "{id} acknowledged the sample in {ms} ms."
    rotate: str = "New secret"
    rotate_title: str = "Give {id} a new secret?"
    rotate_text: str = "Events are signed by both secrets for 24 hours."
    switch_off: str = "Switch off"
    switch_on: str = "Switch on"
    delete: str = "Delete"
    delete_title: str = "Delete {id}?"
    delete_text: str = "Events that wait for it, and dead ones, are deleted too."
    dead_events: str = "Dead events"
    dead_hint: str = (
        "Given up after too many refusals or days. They stay until they are resent or the sink is deleted."
    )
    dead_none: str = "No event was given up."
    event: str = "Event"
    bank: str = "Bank"
    tries: str = "Tries"
    error: str = "Why"
    show: str = "Show"
    shown_title: str = "Event {id}"
    resend: str = "Resend"
    resend_all: str = "Resend all of {id}"
    resent: Plural = Plural("{n} event waits again.", "{n} events wait again.")
    more: Plural = Plural("and {n} more", "and {n} more")


EVENTS = Events()
