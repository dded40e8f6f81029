"""One run in a process of its own: the plan as JSON on standard input, the figures as JSON on standard output, progress as JSON lines on
standard error. A signal to end it, or a reader of the progress who is gone, ends the run with what was counted so far."""

import signal
import sys
from types import FrameType

import msgspec

from wsbook.errors import WsbookError
from wsbook.load_plan import LoadPlan
from wsbook.probes.generator.progress import Progress
from wsbook.probes.generator.run import run_plan


def main() -> int:
    """Return 0 with figures, 2 when the plan cannot be carried out: {"error": "why"} then stands on standard error."""
    told = list[int]()

    def stop(number: int, frame: FrameType | None) -> None:
        told.append(number)

    def say(progress: Progress) -> None:
        try:
            sys.stderr.buffer.write(msgspec.json.encode(progress) + b"\n")
            sys.stderr.buffer.flush()
        except OSError:
            told.append(0)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        plan = msgspec.json.decode(sys.stdin.buffer.read(), type=LoadPlan)
        figures = run_plan(plan, on_progress=say, stop=lambda: bool(told))
    except (WsbookError, msgspec.DecodeError) as error:
        sys.stderr.buffer.write(msgspec.json.encode({"error": str(error)}) + b"\n")
        return 2
    sys.stdout.buffer.write(msgspec.json.encode(figures) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
