"""Configurations made ready to be tried on loopback before a stub: rewritten from lists of what is known to be harmless."""
