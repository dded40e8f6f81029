"""One small frozen type per kind of evidence: what was seen, never what it means.

A field that is None was not seen; an empty value was seen and was empty. Texts from peers are capped where they are
taken and are hostile: whoever shows them escapes them.
"""

from wsbook.facts.flow import BroadcastFacts, IdleFacts, LoadFacts, LoadStep, Place, Subscriber, TraceFacts
from wsbook.facts.handshake import Check, Headers, TlsFacts, UpgradeFacts
from wsbook.facts.log import AccessFacts, ClosingsFacts, LoggedAttemptFacts, MarkedLineFacts, SignatureFacts, TemplateFacts, TextFacts
from wsbook.facts.network import NameFacts, PortFacts, ProxyVariablesFacts
from wsbook.facts.page import PageFacts
from wsbook.facts.route import RouteFacts, Setting
from wsbook.facts.session import EchoFacts, EchoTrial, Frame, SessionFacts
from wsbook.facts.source import EndpointFacts, PatternFacts
from wsbook.facts.told import SymptomFacts

__all__ = [
    "AccessFacts",
    "BroadcastFacts",
    "Check",
    "ClosingsFacts",
    "EchoFacts",
    "EchoTrial",
    "EndpointFacts",
    "Facts",
    "Frame",
    "Headers",
    "IdleFacts",
    "LoadFacts",
    "LoadStep",
    "LoggedAttemptFacts",
    "MarkedLineFacts",
    "NameFacts",
    "PageFacts",
    "PatternFacts",
    "Place",
    "PortFacts",
    "ProxyVariablesFacts",
    "RouteFacts",
    "SessionFacts",
    "Setting",
    "SignatureFacts",
    "Subscriber",
    "SymptomFacts",
    "TemplateFacts",
    "TextFacts",
    "TlsFacts",
    "TraceFacts",
    "UpgradeFacts",
]

Facts = (
    TlsFacts
    | UpgradeFacts
    | SessionFacts
    | EchoFacts
    | NameFacts
    | PortFacts
    | ProxyVariablesFacts
    | EndpointFacts
    | PatternFacts
    | SignatureFacts
    | AccessFacts
    | TextFacts
    | ClosingsFacts
    | TemplateFacts
    | MarkedLineFacts
    | LoggedAttemptFacts
    | RouteFacts
    | IdleFacts
    | BroadcastFacts
    | TraceFacts
    | LoadFacts
    | PageFacts
    | SymptomFacts
)
