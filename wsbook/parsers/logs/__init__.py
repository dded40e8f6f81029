"""Logs in, requests, lives of connections and known texts out. Large logs are sieved, never held."""
