"""The protocols that libraries speak on top of WebSocket: texts in, values out. No I/O, no judgement; one module per dialect."""
