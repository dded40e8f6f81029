"""Loops and timers of a backend that make news and publish them to all instances: with several instances each runs them."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsbook.facts import PatternFacts
from wsbook.parsers.code.patterns import pattern_fact
from wsbook.parsers.code.scope import FUNCTIONS
from wsbook.parsers.code.script_flow import Flow, arguments_of, called
from wsbook.parsers.code.source_files import Code

if TYPE_CHECKING:
    from ast_grep_py import SgNode

__all__ = ["producing_patterns"]

_TO_ALL = re.compile(
    r"\.(?:publish|spublish|Publish|group_send|convertAndSend|xadd|produce)\(|\b(?:io|sio|socketio|server|nsp|namespace)\b(?:\.\w+\([^()\n]*\))*\.emit\("
)
_HEARS = re.compile(
    r"(?i)\.(?:p?subscribe|listen|consume|getone|xread\w*|get_message|brpop|blpop|recv\w*|receive\w*|poll)\(|\bmessages\b|\bconsumer\b|\bin\s+\w*(?:sub|queue|listener)\w*\b"
)
_ONE_ONLY = re.compile(
    r"(?i)leader|(?<![bc])lock|singleton|election|\bnx\s*[=:]|SETNX|isPrimary|isMaster|NODE_APP_INSTANCE|advisory|HOSTNAME|POD_NAME|JOB_COMPLETION|ORDINAL"
)
_OWN = re.compile(r"(?i)instance|\bpid\b|getpid|hostname|node_?id|worker_?id|server_?id|metric|\bstats|health|presence|alive|\bping\b")
"""An instance tells of itself: that is each one's own."""

_BUS = re.compile(r"(?i)redis|\bnats\b|rabbit|amqp|kafka|channel_layer|createAdapter|message_queue|client_manager|valkey")
_TIMERS = re.compile(r"^(?:setInterval|cron\.schedule|schedule\.scheduleJob|new\s*CronJob|CronJob)$")
_MOST = 2_000


def producing_patterns(parsed: "list[tuple[Code, SgNode]]", text: str) -> Iterator[PatternFacts]:
    """Yield the first producer. Several instances are known to run. text: of all files, those that start it too."""
    if not _BUS.search(text) or _ONE_ONLY.search(text):
        return
    for code, root in parsed:
        node = _in_python(root, text) if code.language == "python" else _in_script(root) if code.language in ("typescript", "tsx") else None
        if node is not None:
            yield pattern_fact("project.each-instance-produces", node, code)
            return


def _in_python(root: "SgNode", text: str) -> "SgNode | None":
    """Return a function with an endless loop that publishes what it does not hear from the bus, started beside the server."""
    for function in root.find_all(kind="function_definition")[:_MOST]:
        name, written = function.field("name"), function.text()
        loop = re.search(r"\n\s+(?:while\s+(?:True|1|not\b|self\.\w*running|running)|async for\b)", written)
        if name is None or loop is None or _OWN.search(written) or not _TO_ALL.search(written) or _HEARS.search(written[loop.start() :]):
            continue
        given = re.escape(name.text())
        if re.search(r"(?i)\b(?:ws|websocket|socket)\b", written.partition("\n")[0]):
            continue
        if re.search(
            rf"(?:create_task|ensure_future|add_task|start_soon|start_background_task|spawn\w*|Thread)\([^\n]{{0,60}}\b{given}\b|startup[^\n]*\b{given}\b",
            text,
        ):
            return function
        if re.search(r"repeat_every|on_event\(\s*['\"]startup|@scheduler", written[:200]):
            return function
    return None


def _in_script(root: "SgNode") -> "SgNode | None":
    """Return a timer, set once per process, whose function publishes."""
    flow = Flow(root)
    for call in flow.calls[:_MOST]:
        given = arguments_of(call)
        function = next((one for one in given if one.kind() in (*FUNCTIONS, "identifier")), None)
        if not _TIMERS.match(called(call)) or function is None or _for_one_client(call):
            continue
        reached = flow.reached_text(flow.meant(function))
        if _TO_ALL.search(reached) and ".local" not in reached and not _OWN.search(reached):
            return call
    return None


def _for_one_client(call: "SgNode") -> bool:
    """Tell whether a timer belongs to one connection."""
    return any(
        a.kind() in FUNCTIONS and re.match(r"(?:async\s*)?(?:function\s*\w*)?\s*\(?\s*(?:ws|socket|client|conn|sock|s)\b", a.text()[:80])
        for a in call.ancestors()
    )
