"""HAProxy configurations."""
