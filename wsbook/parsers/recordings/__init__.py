"""Recorded traffic in, handshakes and sessions out: HTTP archives, and exchanges written as text."""
