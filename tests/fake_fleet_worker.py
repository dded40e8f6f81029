"""A worker of fleets that dials nothing: the path of a target's URL says what becomes of it. Run as a script.

/fault and /clear are judged at once; /slow takes a while; /hang never ends and has started a process of its own; /crash dies by
SIGKILL, /break by an exception. Each start is a line in the file that FLEET_STARTS names.
"""

import os
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from wsbook.finding import Verdict
from wsbook.report.fleet import State
from wsbook.runner.fleet_worker import Answer, Job, serve


def answer(job: Job) -> Answer:
    """Do what the path says."""
    path = urlsplit(str(job.parameters["url"])).path
    record = Path(job.record)
    record.mkdir(parents=True, exist_ok=True)
    (record / "report.html").write_text("a report")
    if job.saving:
        return Answer(verdict=Verdict.FAULT, causes=(("net.refused", 0.6),), summary="seen before the end")
    if starts := os.environ.get("FLEET_STARTS"):
        with Path(starts).open("a") as file:
            file.write(f"{job.parameters['url']} {time.monotonic():.3f} {os.getpid()}\n")
    if path == "/hang":
        child = subprocess.Popen(["sleep", "60"])
        (record / "child").write_text(str(child.pid))
        time.sleep(60)
    if path == "/crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/break":
        raise RuntimeError("a bug of ours at ?token=s3cr3tvalue")
    if path.startswith("/slow"):
        time.sleep(0.25)
    if path == "/unusable":
        return Answer(state=State.UNUSABLE, problem="the file is on another machine")
    faulty = path == "/fault"
    causes = (("endpoint.wrong-path", 0.9), ("net.refused", 0.5)) if faulty else ()
    return Answer(verdict=Verdict.FAULT if faulty else Verdict.CLEAR, causes=causes, summary="=cmd()", steps={"1.3": "clear"})


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(answers, answer)
