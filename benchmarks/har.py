"""Recording to observations against json.load: CPU seconds, ratio and peak memory, in processes of their own.

    python benchmarks/har.py [--frames 1000000] [--rounds 3]

Writes a recording of one socket as Chrome exports it (about 220 bytes a frame) below the temporary folder, reads it in turns with
``json.load`` and with ``parse_har``, and removes it. The bar: at most 0.35 times the CPU of ``json.load`` and 650 MB at the peak.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

JSON = "import json; entries = json.load(open(sys.argv[1], 'rb'))['log']['entries']; count = len(entries[0]['_webSocketMessages'])"
OURS = """
from wsbook.parsers.read import read_artifact
seen = read_artifact(sys.argv[1], kind='har')
count = next(o.facts.frame_count for o in seen if o.kind == 'session')
"""
REPORT = """
import re, resource
spent = resource.getrusage(resource.RUSAGE_SELF)
status = open('/proc/self/status').read() if sys.platform == 'linux' else ''
peak = re.search(r'VmHWM:\\s+(\\d+) kB', status)
print(spent.ru_utime + spent.ru_stime, int(peak[1]) * 1024 if peak else 0, count)
"""
NOTHING = "count = 0"
PARTS = {"json.load": JSON, "wsbook": OURS, "start": NOTHING}
PAYLOAD = {
    "type": "tick",
    "channel": "prices",
    "seq": 0,
    "data": {"symbol": "ABC", "bid": 101.25, "ask": 101.5, "text": 'ünïcode "quoted"'},
}


def write_recording(path: Path, frames: int) -> int:
    """Write a recording of one socket with so many frames; return its size in bytes."""
    start = 1773309600.0
    entry = {
        "startedDateTime": "2026-03-12T10:00:00.000Z",
        "time": frames * 10.0,
        "_resourceType": "websocket",
        "request": {"method": "GET", "url": "wss://app.example.test/rt", "httpVersion": "HTTP/1.1", "headers": []},
        "response": {"status": 101, "statusText": "Switching Protocols", "httpVersion": "HTTP/1.1", "headers": []},
    }
    head = json.dumps({"log": {"version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"}, "entries": [entry]}})
    with path.open("w", encoding="utf-8") as file:
        file.write(head.removesuffix("}]}}") + ', "_webSocketMessages": [')
        for number in range(frames):
            data = json.dumps({**PAYLOAD, "seq": number}, ensure_ascii=False)
            message = {"type": "receive", "time": start + number * 0.01, "opcode": 1, "data": data}
            file.write((",\n" if number else "") + json.dumps(message, ensure_ascii=False))
        file.write("]}]}}")
    return path.stat().st_size


def measure(code: str, path: Path) -> tuple[float, int, int]:
    """Return (CPU seconds, peak bytes or 0, frames counted) of a fresh interpreter that runs the code."""
    command = [sys.executable, "-c", f"import sys\n{code}\n{REPORT}", str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(shown[0]), int(shown[1]), int(shown[2])


def main() -> None:
    """Measure and print one line per round and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.har"
        size = write_recording(path, options.frames)
        print(f"{options.frames:,} frames, {size / 1e6:.0f} MB")
        ratios, peaks = [], []
        for number in range(options.rounds):
            found = {name: measure(code, path) for name, code in PARTS.items()}
            assert found["wsbook"][2] == found["json.load"][2] == options.frames
            base = found["start"][0]
            ratios.append((found["wsbook"][0] - base) / (found["json.load"][0] - base))
            peaks.append(found["wsbook"][1])
            shown = ", ".join(f"{name} {cpu:.2f} CPU s {peak / 1e6:.0f} MB" for name, (cpu, peak, _) in found.items())
            print(f"round {number + 1}: {shown}; ratio {ratios[-1]:.3f}")
    print(f"ratio min/median/max {min(ratios):.3f}/{statistics.median(ratios):.3f}/{max(ratios):.3f}, peak {max(peaks) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
