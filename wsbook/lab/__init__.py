"""The bundled deployment: a page, a real reverse proxy, real backends, and faults that can be switched on.

It knows nothing of probes, rules or findings: it is what they look at.
"""

from wsbook.lab.deployment import Lab, describe, start_lab
from wsbook.lab.faults import COMBINATIONS, FAULTS, STACKS, Edit, Fault

__all__ = ["COMBINATIONS", "FAULTS", "STACKS", "Edit", "Fault", "Lab", "describe", "start_lab"]
