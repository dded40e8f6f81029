"""Be the load generator, and end with whoever started it: ``python -m wsbook.probes.load_process OWNER``, OWNER its process number.

The generator's module does the rest: a plan on standard input, a run on standard output, progress on standard error.
"""

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Tie this process to its owner where the system can (Linux), then be the generator."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(sys.argv[1]):
            sys.exit(1)
    sys.argv[1:] = []
    runpy.run_module("wsbook.probes.generator", run_name="__main__")


if __name__ == "__main__":
    main()
