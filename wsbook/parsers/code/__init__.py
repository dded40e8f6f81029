"""Source code in, endpoints, offers and patterns out. Reads programs, never runs them."""
