"""Each method's full-size preset, trained for some steps. Run: ``python tests/perf/bench_presets.py [METHOD ...]``.

Options: ``--device cuda`` (default: cpu), ``--steps N`` (3), ``--gb N`` (memory at most; default: nine tenths of what
is free), ``--profile METHOD`` prints where a step's time goes instead.

A step runs from the end of one optimiser step to the end of the next, so reading and encoding a batch count. Data are
noise at the papers' sizes (preset_data.py). Operations are those of matrix products, convolutions and attention as
torch counts them in one step, the share is theirs a second over the measured peak of a float32 product (bfloat16 where
a method uses it). What would not fit is left out, with the bytes that weights, gradients and Adam's two moments take
alone. Frozen networks that this machine may lack are others of their kind: EfficientNet-Lite0 in the place of CLIP,
SmolLM2 in the place of larger language models, as the table says. On a processor batches are smaller where the
published ones would take minutes; rows a second are told beside.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from bounds import peak
from preset_data import DATA, trained
from tabulate import tabulate
from turns import apart

IMAGE = {"features": "efficientnet-lite0", "codec": "pca"}
BYTES = 16
"""Bytes of a trained float32 weight: itself, its gradient and Adam's two moments."""


class Case(NamedTuple):
    """One preset: data, the option that holds the batch, what replaces weights of a hub, and options on a processor."""

    data: str
    preset: str
    batch: str = "batch"
    instead: dict[str, Any] = {}
    on_cpu: dict[str, Any] = {}


CASES: dict[str, Case] = {
    "brainnetcnn": Case("scans", "published"),
    "bnt": Case("scans", "published"),
    "fbnetgen": Case("scans", "published"),
    "braingnn": Case("scans", "published"),
    "brainmass": Case("scans", "published", "pretrain_batch", on_cpu={"pretrain_batch": 8}),
    "brainlm": Case("scans", "published", "pretrain_batch", on_cpu={"pretrain_batch": 2}),
    "brainlm:111m": Case("scans", "vitmae-111m", "pretrain_batch", on_cpu={"pretrain_batch": 2}),
    "brainlm:650m": Case("scans", "vitmae-650m", "pretrain_batch", on_cpu={"pretrain_batch": 2}),
    "brain-jepa": Case("scans", "S", "pretrain_batch", on_cpu={"pretrain_batch": 2, "pretrain_parts": 1}),
    "fmri-lm": Case("scans", "B", "stage1_batch", {"lm": "smollm2"}, {"stage1_batch": 2}),
    "fcn-llm": Case("scans", "", "stage1_batch", {"lm": "smollm2"}, {"stage1_batch": 8}),
    "swift": Case("volumes", "published", on_cpu={"batch": 2}),
    "mindeye": Case("seen", "paper", instead=IMAGE),
    "mindeye2": Case("seen", "paper", instead=IMAGE),
    "mindbridge": Case("seen", "paper", instead=IMAGE),
    "umbrae": Case("seen", "paper", instead=IMAGE, on_cpu={"batch": 8}),
    "cortex2image": Case("seen", "paper", instead=IMAGE, on_cpu={"batch": 8}),
    "mind-reader": Case("seen", "paper", instead=IMAGE),
    "onellm": Case("seen", "paper", on_cpu={"batch": 8}),
    "nv2l": Case("seen", "paper", instead={"features": "efficientnet-lite0", "vae": False}, on_cpu={"batch": 4}),
    "medarc": Case("films", "published"),
    "tribe": Case("films", "published", on_cpu={"batch": 2}),
    "cross-subject": Case("films", "published"),
    "brainec-llm": Case("recordings", "paper", instead={"lm": "smollm2", "lm_layers": 24, "four_bit": False}),
}


class Enough(Exception):
    """The steps are done, or the model needs too much memory."""


class Watch:
    """Times every optimiser step, counts the operations of one, and ends training after some."""

    def __init__(self, steps: int, most: float, device: str) -> None:
        from torch.utils.flop_counter import FlopCounterMode

        self.steps, self.most, self.device = steps, most, device
        self.marks: list[tuple[float, float]] = []
        self.parameters, self.operations = 0, 0.0
        self.counter = FlopCounterMode(display=False)

    def added(self, weights: list[Any]) -> None:
        """Called with the weights of each optimiser."""
        self.parameters = sum(weight.numel() for weight in weights if weight.requires_grad)
        if BYTES * self.parameters > self.most:
            raise Enough

    def stepped(self, *_: Any) -> None:
        """Called after each step: the first is warm-up, then come timed ones, and one whose operations are counted."""
        import torch

        if self.device != "cpu":
            torch.cuda.synchronize()
        self.marks.append((time.perf_counter(), time.process_time()))
        if len(self.marks) == self.steps + 1:
            self.counter.__enter__()
        elif len(self.marks) == self.steps + 2:
            self.counter.__exit__(None, None, None)
            self.operations = float(self.counter.get_total_flops())
            raise Enough


def options(name: str, device: str) -> dict[str, Any]:
    """The options of a case on a device."""
    from brainbench.benchmark.registry import load_method

    case = CASES[name]
    presets = load_method(name.partition(":")[0])[0].presets
    return {**presets.get(case.preset, {}), **case.instead, **(case.on_cpu if device == "cpu" else {})}


def watched(name: str, device: str, steps: int, most: float) -> tuple[Watch, Any]:
    """Train until a watch has seen enough; the watch and the method."""
    import torch
    from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

    from brainbench.benchmark.contracts import Context
    from brainbench.benchmark.registry import load_method

    watch, adding = Watch(steps, most, device), Optimizer.__init__

    def started(self: Optimizer, *given: Any, **named: Any) -> None:
        adding(self, *given, **named)
        watch.added([weight for group in self.param_groups for weight in group["params"]])

    Optimizer.__init__ = started  # type: ignore[method-assign]
    register_optimizer_step_post_hook(watch.stepped)
    method = load_method(name.partition(":")[0])[0](**options(name, device))
    data = CASES[name].data
    with tempfile.TemporaryDirectory() as folder:
        context = Context(DATA[data][1], 0, Path(folder), device, torch.get_num_threads())
        try:
            trained(method, data, Path(folder), context)
        except Enough:
            return watch, method
    raise SystemExit(f"{name} ended after {len(watch.marks)} steps")


def measure(name: str, device: str, steps: int, most: float) -> dict[str, float]:
    """Median seconds of a step, wall and processor, rows of a batch, operations of a step, and peak memory."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    watch, method = watched(name, device, steps, most)
    found = {"parameters": watch.parameters, "batch": float(getattr(method, CASES[name].batch))}
    if not watch.operations:
        return found
    wall, processor = np.median(np.diff(np.array(watch.marks[: steps + 1]), axis=0), axis=0)
    memory = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if device == "cpu"
        else torch.cuda.max_memory_allocated()
    )
    used = peak("bfloat16" if getattr(method, "precision", "") == "bf16" else "float32", device)
    share = watch.operations / wall / used
    return found | {
        "wall": float(wall), "processor": float(processor), "gb": memory / 1e9, "gop": watch.operations / 1e9,
        "share": share,
    }  # fmt: skip


def profile(name: str, device: str, steps: int, most: float) -> None:
    """Print where the time of the steps goes, by operation."""
    import torch
    from torch.profiler import profile as profiler

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with profiler() as seen:
        watched(name, device, steps, most)
    order = "self_cpu_time_total" if device == "cpu" else "self_device_time_total"
    print(seen.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=60))


def line(name: str, found: dict[str, float], most: float) -> list[Any]:
    """A row of the table."""
    case = CASES[name]
    other = ", ".join(str(value) for key, value in case.instead.items() if key in ("features", "lm"))
    start = [name, case.preset or "default", other, int(found["batch"]), found["parameters"] / 1e6]
    if "wall" not in found:
        return [*start, f"not run: {BYTES * found['parameters'] / 1e9:.1f} GB of weights, {most / 1e9:.1f} GB at hand"]
    rows = found["batch"] / found["wall"]
    return [*start, found["wall"], found["processor"], rows, found["gb"], found["gop"], f"{found['share']:.0%}"]


def option(name: str, default: str) -> str:
    """The value after an option of the command line."""
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def main() -> None:
    """Print the table, or with ``--case`` the measures of one case."""
    device, steps = option("--device", "cpu"), int(option("--steps", "3"))
    free = psutil.virtual_memory().available
    if device != "cpu":
        import torch

        free = torch.cuda.mem_get_info()[0]
    most = float(option("--gb", str(0.9 * free / 1e9))) * 1e9
    if "--profile" in sys.argv:
        profile(option("--profile", ""), device, steps, most)
        return
    if "--case" in sys.argv:
        print(json.dumps(measure(option("--case", ""), device, steps, most)))
        return
    named = [name for name in sys.argv[1:] if name in CASES]
    given = ("--device", device, "--steps", str(steps), "--gb", str(most / 1e9))
    table = []
    for name in named or CASES:
        try:
            table.append(line(name, apart(__file__, name, *given), most))
        except SystemExit as error:
            table.append([name, CASES[name].preset, "", "", "", str(error).strip().splitlines()[-1][:80]])
        print(f"{name} done", file=sys.stderr, flush=True)
    heads = (
        "method", "preset", "with", "batch", "M trained", "s a step", "processor s", "rows a s", "GB", "Gop a step",
        "of peak",
    )  # fmt: skip
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    print(f"{steps} steps on {device}" + (f", {threads} threads" if device == "cpu" else ""))
    print(tabulate(table, heads, floatfmt=".3g"))


if __name__ == "__main__":
    main()
