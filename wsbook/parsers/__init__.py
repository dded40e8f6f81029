"""Text or bytes in, observations out. Never the network, never outside the files given."""
