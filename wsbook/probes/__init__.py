"""The only folder that dials. Async; one function per question; every answer is an observation."""
