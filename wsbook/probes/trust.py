"""Whose certificates are trusted: the same by every probe, on every Python. Must not know what a certificate says."""

import ssl

__all__ = ["trusting"]


def trusting(ca_file: str = "") -> ssl.SSLContext:
    """Return a client's context that trusts the system's authorities and those of ca_file.

    Python 3.13 refuses certificates that break RFC 5280 where browsers and other clients do not care, and lets an intermediate stand for
    its root (https://docs.python.org/3/library/ssl.html#ssl.create_default_context); neither is done here.

    Raises:
        OSError: ca_file cannot be read.
        ssl.SSLError: ca_file holds no certificates.
    """
    context = ssl.create_default_context()
    context.verify_flags &= ~(ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN)
    if ca_file:
        context.load_verify_locations(ca_file)
    return context
