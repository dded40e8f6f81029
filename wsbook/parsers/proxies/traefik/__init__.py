"""Traefik: files, labels, flags and Kubernetes objects."""
