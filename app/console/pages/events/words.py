"""Words of sinks and their events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import Plural, table


@dataclass(frozen=True)
class Events:
    """English."""

    name: str = "Events"
    lead: str = "Every decision leaves once: to webhooks and MQTT brokers, again until it is acknowledged."
    admins: str = "Only administrators see and change where events go."
    none: str = "No sink yet"
    none_hint: str = (
        "Add a webhook or an MQTT broker: it gets every event from then on, in order for each bank."
    )
    add: str = "Add a sink"
    sinks: str = "Sinks"
    id: str = "Id"
    id_hint: str = "a-z, 0-9, _ and -; topics and metrics name it"
    kind: str = "Kind"
    kinds: Mapping[str, str] = table({"webhook": "Webhook", "mqtt": "MQTT broker"})
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
