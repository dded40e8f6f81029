"""What compiled code needs beneath itself: libc by name, memory by address, the bits of a float. Addresses are int64.

A change here needs one in ``compiled_loop.py`` too, or what numba cached of it goes on to be used.
"""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = [
    "INT",
    "bits_of",
    "clock_gettime",
    "compiled",
    "epoll_ctl",
    "epoll_wait",
    "errno_at",
    "getrandom",
    "load8",
    "load16",
    "load32",
    "load64",
    "memcpy",
    "memmove",
    "recv",
    "send",
    "store8",
    "store16",
    "store32",
    "store64",
    "timerfd_settime",
]

WORD, INT = types.intp, types.intc
recv = types.ExternalFunction("recv", WORD(INT, WORD, WORD, INT))
send = types.ExternalFunction("send", WORD(INT, WORD, WORD, INT))
memmove = types.ExternalFunction("memmove", WORD(WORD, WORD, WORD))
memcpy = types.ExternalFunction("memcpy", WORD(WORD, WORD, WORD))
epoll_wait = types.ExternalFunction("epoll_wait", INT(INT, WORD, INT, INT))
epoll_ctl = types.ExternalFunction("epoll_ctl", INT(INT, INT, INT, WORD))
clock_gettime = types.ExternalFunction("clock_gettime", INT(INT, WORD))
timerfd_settime = types.ExternalFunction("timerfd_settime", INT(INT, INT, WORD, WORD))
getrandom = types.ExternalFunction("getrandom", WORD(WORD, WORD, types.uintc))
errno_at = types.ExternalFunction("__errno_location", WORD())


def _access(bits, numba_type):
    """Return what loads and what stores so many bits at an address of any alignment."""
    held = ir.IntType(bits)

    @intrinsic
    def load(_, address):
        def build(context, builder, signature, values):
            found = builder.load(builder.inttoptr(values[0], held.as_pointer()))
            found.align = 1
            return found

        return numba_type(types.intp), build

    @intrinsic
    def store(_, address, value):
        def build(context, builder, signature, values):
            builder.store(values[1], builder.inttoptr(values[0], held.as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(types.intp, numba_type), build

    return load, store


load8, store8 = _access(8, types.uint8)
load16, store16 = _access(16, types.uint16)
load32, store32 = _access(32, types.uint32)
load64, store64 = _access(64, types.int64)


@intrinsic
def bits_of(_, value):
    """Return the bits of a float64."""

    def build(context, builder, signature, values):
        return builder.bitcast(values[0], ir.IntType(64))

    return types.int64(types.float64), build


def compiled(function):
    """Compile at the first call and keep the code where numba keeps it, or for this process only where nothing can be written."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba: no locator available
        return njit(nogil=True)(function)
