"""Dialects that say all in one message: Phoenix channels, Action Cable, MQTT over WebSocket.

https://hexdocs.pm/phoenix/writing_a_channels_client.html, https://guides.rubyonrails.org/action_cable_overview.html,
https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html section 3.
"""

import json

from wsbook.wire.dialects.objects import parse_json, parse_object, word

__all__ = ["ACTION_CABLE", "MQTT", "mqtt_connect", "mqtt_return_code", "phoenix_heartbeat", "phoenix_reply", "welcome"]

ACTION_CABLE = "actioncable-v1-json"
MQTT = "mqtt"
_CONNACK = 0x20


def phoenix_heartbeat(version: str) -> str:
    """Return the heartbeat in the serialisation of vsn: an array from 2.0.0 on, an object before."""
    if version.startswith("1"):
        return json.dumps({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "1"})
    return json.dumps([None, "1", "phoenix", "heartbeat", {}])


def phoenix_reply(text: str) -> str:
    """Return the status of a phx_reply in either serialisation, "" when it is none."""
    found = parse_json(text)
    if isinstance(found, list) and len(found) == 5 and found[3] == "phx_reply":
        payload = found[4]
    elif isinstance(found, dict) and found.get("event") == "phx_reply":
        payload = found.get("payload")
    else:
        return ""
    return word(payload, "status", 60) if isinstance(payload, dict) else ""


def welcome(text: str) -> tuple[str, str]:
    """Return (type, reason) of an Action Cable message: welcome, ping, disconnect; ("", "") for another."""
    found = parse_object(text)
    return (word(found, "type", 60), word(found, "reason")) if word(found, "type") in ("welcome", "ping", "disconnect") else ("", "")


def mqtt_connect(client: str) -> bytes:
    """Return a CONNECT packet of MQTT 3.1.1 with a clean session, no user, 60 s keep alive."""
    name = client.encode()[:23]
    body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2, "big") + name
    return bytes([0x10, len(body)]) + body


def mqtt_return_code(data: bytes) -> int | None:
    """Return the code of a CONNACK, 0 accepted; None when the bytes are none."""
    return data[3] if len(data) >= 4 and data[0] == _CONNACK and data[1] >= 2 else None
