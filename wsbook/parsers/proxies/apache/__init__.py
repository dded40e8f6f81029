"""Apache configurations."""
