"""Load balancers, gateways and hosts of clouds, from what their tools print and from Terraform."""
