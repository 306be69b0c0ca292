"""Running of one process: its time and its memory, as the kernel counts them."""

import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One run."""

    wall: float
    """Seconds from the start of the process to its end."""

    user: float
    system: float
    peak: int
    """Bytes resident at most."""


class Failure(Exception):
    """A process that did not do its work, with the end of what it said."""


def run(command: list[str], timeout: float) -> Sample:
    """Runs a command to its end. Raises `Failure` if it does not end well."""
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        alarm = threading.Timer(timeout, process.kill)
        alarm.start()
        # wait4 tells what this one process used; the resource module only sums up over all.
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        expired = not alarm.is_alive()
        alarm.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()[-1:]
            ended = f"stopped after {timeout:.0f} s" if expired else f"exit code {process.returncode}"
            raise Failure(": ".join([ended, *said]))
    return Sample(wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024)


def warm(files: list[Path]) -> None:
    """Reads the files, so that they are in the page cache if they fit."""
    for file in files:
        with file.open("rb", buffering=0) as source:
            while source.read(1 << 16):
                pass
