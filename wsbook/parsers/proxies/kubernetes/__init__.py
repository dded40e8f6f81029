"""Kubernetes objects: ingresses of every controller, services, and the meshes and gateways configured by objects."""
