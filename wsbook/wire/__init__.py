"""What the RFCs say: bytes in, values out, no I/O."""
