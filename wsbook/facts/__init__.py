"""One small frozen type per kind of evidence: what was seen, never what it means.

A field that is None was not seen; an empty value was seen and was empty. Texts from peers are capped where they are
taken and are hostile: whoever shows them escapes them.
"""

from wsbook.facts.broadcast import BroadcastFacts, Sender, Subscriber
from wsbook.facts.cluster import AffinityFacts, Conversation, Visit
from wsbook.facts.dialect import DialectFacts, DialectStep
from wsbook.facts.handshake import Certificate, Check, Headers, TlsFacts, UpgradeFacts
from wsbook.facts.heartbeat import HalfOpenFacts, HeartbeatFacts, IdleFacts
from wsbook.facts.inquiry import InquiryFacts, Look
from wsbook.facts.listener import Http2Facts, RedirectFacts, RedirectHop, TlsScanFacts, VersionTrial
from wsbook.facts.load import Generator, Knee, LoadFacts, LoadRun, LossyConnection, Moment, PageLoadFacts, PageMoment, Threshold
from wsbook.facts.log import (
    AccessFacts,
    ClosingsFacts,
    CopiesFacts,
    LoggedAttemptFacts,
    MarkedLineFacts,
    NumbersFacts,
    SignatureFacts,
    TemplateFacts,
    TextFacts,
)
from wsbook.facts.messages import CompressionFacts, FrameTrial, FramingFacts, SizeFacts, SizeTrial, Stream
from wsbook.facts.network import (
    THIS_MACHINE,
    ForwardProxyFacts,
    NameFacts,
    PacketFacts,
    PacketTrial,
    PortFacts,
    ProxyVariablesFacts,
    Tunnel,
)
from wsbook.facts.origin import CorsFacts, CorsTrial, Credential, CredentialFacts
from wsbook.facts.page import Cookie, CookieFacts, PageFacts, Violation
from wsbook.facts.process import CrowdFacts, CycleFacts, Neighbour, PulseFacts, Pulses, Sample, Spell, Watched
from wsbook.facts.reconnect import OutageFacts, Redial
from wsbook.facts.recording import Companion, RecordingFacts, Snapshot
from wsbook.facts.rehearsal import Received, RehearsalFacts, Trial
from wsbook.facts.route import Change, Fix, RouteFacts, Setting
from wsbook.facts.session import EchoFacts, EchoTrial, Frame, SessionFacts
from wsbook.facts.source import EndpointFacts, ForwardFacts, PatternFacts
from wsbook.facts.suspicion import Suspicion, SuspicionFacts
from wsbook.facts.told import SymptomFacts, WordsFacts
from wsbook.facts.trace import BurstFacts, BurstPlace, Caught, ClockFacts, LogLine, Named, PageEvent, Place, TraceFacts

__all__ = [
    "THIS_MACHINE",
    "AccessFacts",
    "AffinityFacts",
    "BroadcastFacts",
    "BurstFacts",
    "BurstPlace",
    "Caught",
    "Certificate",
    "Change",
    "Check",
    "ClockFacts",
    "ClosingsFacts",
    "Companion",
    "CompressionFacts",
    "Conversation",
    "Cookie",
    "CookieFacts",
    "CopiesFacts",
    "CorsFacts",
    "CorsTrial",
    "Credential",
    "CredentialFacts",
    "CrowdFacts",
    "CycleFacts",
    "DialectFacts",
    "DialectStep",
    "EchoFacts",
    "EchoTrial",
    "EndpointFacts",
    "Facts",
    "Fix",
    "ForwardFacts",
    "ForwardProxyFacts",
    "Frame",
    "FrameTrial",
    "FramingFacts",
    "Generator",
    "HalfOpenFacts",
    "Headers",
    "HeartbeatFacts",
    "Http2Facts",
    "IdleFacts",
    "InquiryFacts",
    "Knee",
    "LoadFacts",
    "LoadRun",
    "LogLine",
    "LoggedAttemptFacts",
    "Look",
    "LossyConnection",
    "MarkedLineFacts",
    "Moment",
    "NameFacts",
    "Named",
    "Neighbour",
    "NumbersFacts",
    "OutageFacts",
    "PacketFacts",
    "PacketTrial",
    "PageEvent",
    "PageFacts",
    "PageLoadFacts",
    "PageMoment",
    "PatternFacts",
    "Place",
    "PortFacts",
    "ProxyVariablesFacts",
    "PulseFacts",
    "Pulses",
    "Received",
    "RecordingFacts",
    "Redial",
    "RedirectFacts",
    "RedirectHop",
    "RehearsalFacts",
    "RouteFacts",
    "Sample",
    "Sender",
    "SessionFacts",
    "Setting",
    "SignatureFacts",
    "SizeFacts",
    "SizeTrial",
    "Snapshot",
    "Spell",
    "Stream",
    "Subscriber",
    "Suspicion",
    "SuspicionFacts",
    "SymptomFacts",
    "TemplateFacts",
    "TextFacts",
    "Threshold",
    "TlsFacts",
    "TlsScanFacts",
    "TraceFacts",
    "Trial",
    "Tunnel",
    "UpgradeFacts",
    "VersionTrial",
    "Violation",
    "Visit",
    "Watched",
    "WordsFacts",
]

Facts = (
    TlsFacts
    | UpgradeFacts
    | SessionFacts
    | EchoFacts
    | DialectFacts
    | FramingFacts
    | SizeFacts
    | CompressionFacts
    | NameFacts
    | PortFacts
    | ProxyVariablesFacts
    | ForwardProxyFacts
    | PacketFacts
    | EndpointFacts
    | ForwardFacts
    | PatternFacts
    | SignatureFacts
    | AccessFacts
    | TextFacts
    | ClosingsFacts
    | CopiesFacts
    | NumbersFacts
    | TemplateFacts
    | MarkedLineFacts
    | LoggedAttemptFacts
    | RouteFacts
    | IdleFacts
    | HeartbeatFacts
    | HalfOpenFacts
    | AffinityFacts
    | BroadcastFacts
    | TraceFacts
    | BurstFacts
    | ClockFacts
    | LoadFacts
    | PageLoadFacts
    | PageFacts
    | OutageFacts
    | RecordingFacts
    | CookieFacts
    | SymptomFacts
    | WordsFacts
    | TlsScanFacts
    | Http2Facts
    | RedirectFacts
    | RehearsalFacts
    | SuspicionFacts
    | CycleFacts
    | PulseFacts
    | CrowdFacts
    | CredentialFacts
    | CorsFacts
    | InquiryFacts
)
