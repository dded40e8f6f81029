"""Configurations of reverse proxies and load balancers, each said as RouteFacts."""
