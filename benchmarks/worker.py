"""A process that measures on request, so that two forms of the same work take turns on one machine."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path


class Worker:
    """`script` in a process of its own; it answers each line with one line of JSON."""

    def __init__(self, script: str, threads: int, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(script).resolve()), "--threads", str(threads), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONUTF8": "1"},
        )

    def ask(self, line: str) -> dict:
        requests, replies = self._process.stdin, self._process.stdout
        assert requests and replies
        print(line, file=requests, flush=True)
        answer = replies.readline()
        if not answer:
            raise SystemExit(f"A worker ended with status {self._process.wait()}")
        return json.loads(answer)

    def close(self) -> None:
        self._process.communicate()


def peak_memory() -> int:
    """Peak resident memory of this process in bytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: `resource` reports at least the peak of the parent process there
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))[1]) * 1024  # type: ignore[index]
    import resource  # not on Windows, where these benchmarks do not measure memory

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
