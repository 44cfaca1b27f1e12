"""Measures the networks' speed on one core, as ratios within one run: `python -m bench.inference`.

It compares the light networks with `keras.predict`, in floats and as shipped, and the shipped parts
of the CLIP encoder with the full encoder in 32-bit floats. Rounds are interleaved, so noise affects
all alike. Each ratio is the median over the rounds. It prints milliseconds per image, billions of
operations per second (a multiplication and an addition are two), and the fraction of the speed of a
large matrix product on the same core: in 32-bit floats, or in the fastest precision for shipped
networks.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import openvino as ov
from openvino import opset13 as opset

from models.manifest import WEIGHTS, load_manifest
from models.members import NETWORKS
from models.processor import Precision, fastest_floats, fastest_precision, instructions
from models.runtime import Runtime
from training.convert import serialise, shrink, to_openvino

Run = Callable[[], object]
GEMM = 1536
"""Rows and columns of the matrices in the reference product."""


def operations(network: ov.Model) -> float:
    """Count the multiplications and additions in a network's products and convolutions."""
    total = 0.0
    for node in network.get_ops():
        outputs = float(np.prod(node.output(0).shape)) if node.get_output_size() else 0.0
        match node.get_type_name():
            case "MatMul":
                terms = float(node.input(0).get_shape()[-1])
            case "Convolution":
                terms = float(np.prod(node.input(1).get_shape()[1:]))
            case "GroupConvolution":  # (groups, out, in, height, width)
                terms = float(np.prod(node.input(1).get_shape()[2:]))
            case _:
                continue
        total += 2 * outputs * terms
    return total


def gemm(precision: Precision) -> Run:
    """Return a function that multiplies two matrices on one core, in 2 · ``GEMM`` ³ operations."""
    rng = np.random.default_rng(0)
    given = opset.parameter([GEMM, GEMM], np.float32)
    matrix = opset.constant(rng.standard_normal((GEMM, GEMM)).astype(np.float32))
    network = ov.Model([opset.matmul(given, matrix, False, False)], [given])
    files = serialise(shrink(network) if precision == "int8" else network)
    runtime = Runtime(*files, precision=precision)
    factor = rng.standard_normal((GEMM, GEMM)).astype(np.float32)
    return lambda: runtime.run(factor)


def measure(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each run in each round, after a warm-up."""
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    rng = np.random.default_rng(0)
    fast, floats = fastest_precision(instructions()), fastest_floats(instructions())
    records = {record.name: record for record in load_manifest().networks}
    light = [name for name in NETWORKS if not name.startswith("clip")]
    runs: dict[str, Run] = {f"gemm {precision}": gemm(precision) for precision in ("f32", fast)}
    work = dict.fromkeys(runs, 2.0 * GEMM**3)

    for name, network in NETWORKS.items():
        model = network.build()
        count = 1 if isinstance(network.input, str) else network.input.shape[0]
        converted = to_openvino(model, count)
        shipped = Runtime(*records[name].read(WEIGHTS))
        if isinstance(network.input, str):
            given = rng.standard_normal(shipped.shape).astype(np.float32)
        else:
            given = rng.integers(0, 256, shipped.shape, np.uint8)
        if name in light:
            runs[f"{name} keras"] = lambda model=model, given=given: model.predict(given, verbose=0)
        runtimes = {"f32": Runtime(*serialise(converted), precision="f32"), "shipped": shipped}
        if name not in light:
            runtimes["floats"] = Runtime(*records[name].read(WEIGHTS), precision=floats)
        for kind, runtime in runtimes.items():
            runs[f"{name} {kind}"] = lambda runtime=runtime, given=given: runtime.run(given)
        work[f"{name} f32"] = operations(converted)
        work[f"{name} shipped"] = operations(ov.Core().read_model(WEIGHTS / records[name].file))

    seconds = measure(runs, rounds)
    peak = {p: work[f"gemm {p}"] / statistics.median(seconds[f"gemm {p}"]) for p in ("f32", fast)}
    print(f"fastest precision: {fast}; medians of {rounds} rounds")
    for name, times in seconds.items():
        middle = statistics.median(times)
        line = f"{name:28} {1000 * middle:8.2f} ms"
        if name in work:
            rate = work[name] / middle
            line += f" {rate / 1e9:8.1f} GFLOP/s"
            line += (
                f" {rate / peak[fast if name.endswith(('shipped', fast)) else 'f32']:6.0%} of peak"
            )
        print(line)

    def ratio(slow: list[str], quick: list[str]) -> float:
        sums = [
            [sum(each) for each in zip(*(seconds[n] for n in ns), strict=True)]
            for ns in (slow, quick)
        ]
        return statistics.median(a / b for a, b in zip(*sums, strict=True))

    of = {kind: [f"{name} {kind}" for name in light] for kind in ("keras", "f32", "shipped")}
    print(f"light networks, in floats: {ratio(of['keras'], of['f32']):.1f} × keras.predict")
    print(f"light networks, as shipped: {ratio(of['f32'], of['shipped']):.2f} × floats")
    lower, upper = "clip_lower shipped", "clip_upper shipped"
    full = ["clip_lower f32", "clip_upper f32"]
    print(f"clip_shallow, as shipped: {ratio(full, [lower]):.2f} × the full encoder in f32")
    parts = [lower, upper]
    print(f"clip, as shipped: {ratio(full, parts):.2f} × the full encoder in f32")
    in_floats = ratio(["clip_lower floats", "clip_upper floats"], parts)
    print(f"clip, as shipped ({fast}): {in_floats:.2f} × the same files in {floats}")
    print(f"clip takes {ratio(parts, [lower]):.2f} times as long as clip_shallow")


if __name__ == "__main__":
    main()
