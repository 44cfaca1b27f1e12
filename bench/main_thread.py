"""Tells how long a script keeps a page's main thread, from samples of the JavaScript stack.

A sample counts for a script if the script is anywhere on the stack. So layouts and hit tests that
the script causes by its questions are counted, too. What the browser does later to draw what the
script has changed is not counted.

A sample lasts until the next one. Other processes on a busy machine make that longer, so the sum is
scaled by the ratio of the thread's processor time to the elapsed time of its tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import CDPSession, Page

INTERVAL = 200
"""Microseconds between two samples."""


class Profile:
    """What a page's main thread did.

    Attributes:
        samples: a CPU profile, in the format of the Chrome DevTools Protocol (`Profiler.Profile`);
            empty until the recording ends.
        scale: processor time as a part of elapsed time, 0 to 1.
    """

    def __init__(self) -> None:
        self.samples: dict[str, Any] = {}
        self.scale = 1.0

    def milliseconds(self, script: str) -> float:
        """Return the processor time, in ms, of a script.

        Args:
            script: how the address of the script ends.
        """
        return self.functions(script)["(root)"]

    def functions(self, script: str) -> Counter[str]:
        """Return the ms of each function that runs in a script, and of what the function calls."""
        nodes = {node["id"]: node for node in self.samples["nodes"]}
        parents = {child: node for node in nodes.values() for child in node.get("children", [])}
        times: Counter[str] = Counter()
        for sample, delta in zip(self.samples["samples"], self.samples["timeDeltas"], strict=True):
            stack = [nodes[sample]]
            while parent := parents.get(stack[-1]["id"]):
                stack.append(parent)
            frames = [node["callFrame"] for node in stack]
            if any(frame["url"].endswith(script) for frame in frames):
                for name in {frame["functionName"] or "(anonymous)" for frame in frames}:
                    times[name] += delta * self.scale / 1000
        return times


@contextmanager
def record(page: Page) -> Iterator[Profile]:
    """Record what the page's main thread does. The page must stay on one site."""
    profile = Profile()
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    devtools.send("Profiler.enable")
    devtools.send("Profiler.setSamplingInterval", {"interval": INTERVAL})
    before = _times(devtools)
    devtools.send("Profiler.start")
    yield profile
    profile.samples = devtools.send("Profiler.stop")["profile"]
    processor, elapsed = (
        after - each for after, each in zip(_times(devtools), before, strict=True)
    )
    profile.scale = min(1.0, processor / elapsed)
    devtools.detach()


def _times(devtools: CDPSession) -> tuple[float, float]:
    """Return the processor time and the elapsed time of the main thread's tasks, in seconds."""
    metrics = {
        each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]
    }
    return metrics["ThreadTime"], metrics["TaskDuration"]
