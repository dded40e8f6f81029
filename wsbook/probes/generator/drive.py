"""The loop in numpy: sends what is due, reads what is there, and fills the account.

The seam: ``compiled.py`` has the same ``drive`` for the plans that suit it.
"""

from collections.abc import Sequence

from wsbook.load_plan import LoadPlan
from wsbook.probes.generator.line import Line
from wsbook.probes.generator.progress import Watch
from wsbook.probes.generator.tally import Tally

__all__ = ["drive"]


def drive(lines: Sequence[Line], plan: LoadPlan, tally: Tally, watch: Watch) -> Tally:
    """Carry out the sending, from tally.begin_ns for plan.seconds, wait for what is outstanding, and return the account.

    lines: open connections in the order of their indexes, which may leave some out. Message k of a rate is due at begin + k / rate and
    leaves on the sending connection k mod senders (all lines of an echo, the first plan.publishers of a broadcast), never early. A
    window keeps plan.window messages of each sending connection in flight. Numbers count from 0 per connection.

    Waiting ends when everything came, when nothing came for a while, or after plan.drain_s. Connections are left open; line.ended and
    tally.ended say how those ended that did.
    """
    raise NotImplementedError
