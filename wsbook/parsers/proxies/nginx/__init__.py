"""nginx configurations: what becomes of a handshake, phase by phase, as nginx itself does it."""
