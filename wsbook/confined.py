"""Become a program that may touch one folder only and that dies with whoever started it.

Run as ``python -I -S confined.py FOLDER PORTS OWNER SECONDS PROGRAM ARGUMENT…``, standard library only. PORTS: numbers with commas, the TCP
ports that may be listened on and dialled. OWNER: the process that asked, SECONDS: of processor time. What the kernel does not offer
(Linux from 5.13 has Landlock, from 6.7 for ports) is left out: whoever starts a hostile configuration has made it harmless before, this
is the second lock.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # linux/unistd.h, the same on every architecture
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH, _PORT = 1, 2  # LANDLOCK_RULE_PATH_BENEATH, LANDLOCK_RULE_NET_PORT
_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8  # LANDLOCK_ACCESS_FS_*
_NETWORK = 3  # bind and connect
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38  # linux/prctl.h
_FILE_BYTES = 16_000_000

_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}
"""Version of Landlock → all rights on files that it knows."""

_NEEDED = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt", "/nix/store", "/proc/self", "/sys/kernel/mm", "/sys/devices/system/cpu")
_NEEDED_FILES = (
    *("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/localtime", "/etc/mime.types"),
    *("/etc/ssl/openssl.cnf", "/proc/cpuinfo", "/proc/stat", "/proc/sys/kernel/osrelease", "/dev/urandom", "/dev/random", "/dev/zero"),
)
"""What programs read to start: libraries, names of users, the clock, OpenSSL's settings."""


def landlock_version() -> int:
    """Return the version of Landlock that the kernel offers, 0 for none."""
    if not sys.platform.startswith("linux"):
        return 0
    version: int = ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    return max(0, version)


def _allow(libc: ctypes.CDLL, ruleset: int, place: str, rights: int) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", rights, descriptor)
        libc.syscall(_ADD_RULE, ruleset, _PATH, rule, 0)
        os.close(descriptor)


def lock(folder: str, ports: list[int], program: str) -> None:
    """Forbid this process every file but those of the folder and what programs need to start, and every TCP port but these."""
    version = landlock_version()
    if not version:
        return
    libc = ctypes.CDLL(None)
    every = _RIGHTS.get(version, 0xFFFF)
    ruleset_of = struct.pack("=QQ", every, _NETWORK if version >= 4 else 0)
    ruleset = libc.syscall(_CREATE_RULESET, ruleset_of, ctypes.c_size_t(len(ruleset_of) if version >= 4 else 8), 0)
    if ruleset < 0:
        return
    _allow(libc, ruleset, folder, every)
    for place in _NEEDED:
        _allow(libc, ruleset, place, _EXECUTE | _READ | _LIST)
    for place in _NEEDED_FILES:
        _allow(libc, ruleset, place, _READ)
    _allow(libc, ruleset, "/dev/null", _READ | _WRITE)
    _allow(libc, ruleset, program, _EXECUTE | _READ)
    for port in ports if version >= 4 else ():
        libc.syscall(_ADD_RULE, ruleset, _PORT, struct.pack("=QQ", _NETWORK, port), 0)
    libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def main() -> None:
    """Do as the command line says."""
    folder, ports, owner, seconds, *argv = sys.argv[1:]
    os.chdir(folder)
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getppid() != int(owner):
            sys.exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    lock(folder, [int(port) for port in ports.split(",") if port], str(Path(argv[0]).resolve()))
    os.execv(argv[0], argv)  # noqa: S606 - the one program that we were started for


if __name__ == "__main__":
    main()
