"""An attempt by way of a relay on this machine. It must not know what the relay does to it."""

from msgspec.structs import replace

from wsbook.attempt import Attempt
from wsbook.probes.relay import Relay

__all__ = ["through"]


def through(attempt: Attempt, relay: Relay) -> Attempt:
    """Return the attempt by way of the relay: TLS and the request stay those of the endpoint."""
    endpoint = attempt.endpoint
    name = endpoint.host if attempt.server_name is None else attempt.server_name
    userinfo = f"{endpoint.userinfo}@" if endpoint.userinfo else ""
    return replace(
        attempt,
        url=f"{endpoint.scheme}://{userinfo}{relay.host}:{relay.port}{endpoint.resource}",
        address=None,
        host_header=attempt.host_header or endpoint.authority,
        server_name=name,
        first_message_s=0.0,
    )
