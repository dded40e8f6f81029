"""The bundled deployment: a page, a real reverse proxy, real backends, and faults that can be switched on."""
