"""Caddyfiles and Caddy's JSON."""
