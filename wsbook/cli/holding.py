"""wsbook lab: the bundled deployment, held until it is told to stop."""

import json
import signal
import threading

from rich.console import Console

from wsbook.causes import cause

__all__ = ["hold_lab", "list_faults"]


def list_faults(console: Console) -> None:
    """Print the faults that the lab can have, and the healthy stacks."""
    from wsbook.lab import FAULTS, STACKS

    for slug, fault in (*sorted(FAULTS.items()), *sorted(STACKS.items())):
        console.print(f"{slug:<36} {cause(slug).title if fault.named == slug else fault.shows}", markup=False)


def hold_lab(fault: str, proxy: str, console: Console, *, machine: bool) -> None:
    """Start the lab and hold it until SIGINT or SIGTERM; machine prints one JSON line on standard output first.

    Raises:
        UsageError: unknown fault or proxy, or a program that it needs is missing.
    """
    from wsbook.lab import describe, start_lab

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with start_lab(fault, proxy=proxy) as lab:
        description = describe(lab)
        if machine:
            print(json.dumps(description), flush=True)
        else:
            console.print(f"lab with {fault or 'no fault'} behind {lab.proxy}; Ctrl-C stops it")
            for name in ("page", "url", "hops", "configs", "logs", "frontend", "backend", "trigger"):
                console.print(f"  {name:<9} {description[name]}", markup=False, soft_wrap=True)
        while not stop.wait(0.5):
            pass
