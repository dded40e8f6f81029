"""Envoy: bootstrap files, dumps and pieces."""
