"""Steps of fMRI-LM at its published sizes. Run: ``python tests/perf/bench_fmri_lm.py [--sizes]``.

First table: a step of stage 1 (forward, backward, AdamW in float32; 2 scans of 450 ROIs and 160 frames, one patch
of 160, 2 threads) beside the reference implementation, whose code runs when BRAINBENCH_PEERS names a folder that
holds a clone of yuxiangwei0808/fMRI-LM (it needs einops). Each case runs in a process of its own, so that its peak
memory is its own, and cases take turns for several rounds. The step is that of the tokenizer (reconstruction and
quantiser): the reference's text encoder, which ours does not run in a step, is left out on both sides.

``--sizes`` prints instead one whole step of stages 1 and 2 at S, B and L: seconds and peak memory.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from tabulate import tabulate
from turns import HEADS, PEERS, apart, in_turn

if TYPE_CHECKING:
    from torch import Tensor

    from brainbench.methods.fmri_lm.method import FMRILM

BATCH, ROIS, FRAMES, THREADS, ROUNDS, STEPS = 2, 450, 160, 2, 3, 2
REPOSITORY = "fMRI-LM"
WIDTHS = {"S": (384, "vit_small"), "B": (768, "vit_base"), "L": (1024, "vit_large")}
"""Width, and the encoder's name in the reference's code."""


def preset(size: str) -> FMRILM:
    """A published size, with one patch a scan."""
    from brainbench.methods.fmri_lm.method import FMRILM

    return FMRILM(**{**FMRILM.presets[size], "patch": FRAMES, "stage1_batch": BATCH, "stage2_batch": BATCH})


def ours(size: str) -> Callable[[Tensor], None]:
    """One step of our tokenizer."""
    import torch
    from torch.nn import functional as F

    from brainbench.methods.fmri_lm.loops import adamw
    from brainbench.methods.fmri_lm.pretraining import build_tokenizer

    options = preset(size)
    network = build_tokenizer(options, ROIS).train()
    optimiser = adamw([p for p in network.parameters() if p.requires_grad], 1e-4, 1e-4, (0.9, 0.999))

    def step(series: Tensor) -> None:
        quantised = network.quantise(network.encoder(series))
        loss = F.mse_loss(network.reconstruct(quantised.vectors), series) + quantised.loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        assert torch.isfinite(loss)

    return step


def reference(size: str) -> Callable[[Tensor], None]:
    """One step of the reference's tokenizer, with its own optimiser."""
    from transformers import AutoModelForCausalLM, GPT2LMHeadModel  # noqa: F401, before the stand-ins below

    sys.path.insert(0, str(Path(os.environ[PEERS]) / REPOSITORY))
    # Not needed for a step on a CPU: a GPU's kernels, and the reader of configurations.
    for name, content in {"flash_attn": ("flash_attn_qkvpacked_func",), "omegaconf": ("OmegaConf",)}.items():
        sys.modules.setdefault(name, ModuleType(name))
        for attribute in content:
            setattr(sys.modules[name], attribute, None)
    package = sys.modules["quantizers"] = ModuleType("quantizers")
    package.__path__ = [str(Path(os.environ[PEERS]) / REPOSITORY / "quantizers")]
    from quantizers.vq import VQ

    width, encoder = WIDTHS[size]

    class Config(SimpleNamespace):
        """Attributes that can also be read as a mapping."""

        def keys(self) -> list[str]:
            return list(vars(self))

        def __getitem__(self, name: str) -> Any:
            return vars(self)[name]

    config = Config(
        img_size=(ROIS, FRAMES), patch_size=FRAMES, in_chans=1, n_embd=width, enc_cls=encoder, drop_path_rate=0.1,
        add_cls_token=False, attn_mode="normal",
    )  # fmt: skip
    network = VQ(config, decoder_out_dim=FRAMES).train()
    optimiser = network.configure_optimizers(1e-4, 1e-4, (0.9, 0.999), "cpu")

    def step(series: Tensor) -> None:
        loss, _, _ = network(series, series)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def whole_step(stage: int, size: str, language: str) -> Callable[[Tensor], None]:
    """A whole step of stage 1 or 2 by the method's own code, all losses included."""
    import torch

    from brainbench.benchmark.contracts import Context, TaskInfo
    from brainbench.benchmark.nn.language import load_language
    from brainbench.methods.fmri_lm import stages
    from brainbench.methods.fmri_lm.pretraining import build_tokenizer

    options = replace(preset(size), most_steps=STEPS + 1, stage1_epochs=STEPS + 1, stage2_epochs=STEPS + 1)
    model = gpt2_sized() if language == "gpt2" else load_language("smollm2", 0, 0)
    marks: list[tuple[float, float]] = []

    def mark(label: str, done: int, total: int) -> None:
        if label.startswith("stage"):
            marks.append((time.perf_counter(), time.process_time()))

    context = Context(TaskInfo("bench", "pretraining", ""), 0, Path(tempfile.mkdtemp()), progress=mark)
    prepared = stages.prepare([scans()], options, context)
    if stage == 1:
        stages.stage1(options, prepared, context, model)
    else:
        tokenizer = build_tokenizer(options, ROIS).eval().requires_grad_(False)
        with torch.no_grad():
            tokenizer.train().quantise(tokenizer.encoder(torch.randn(BATCH, ROIS, FRAMES)))
        state = stages.State(1, tokenizer.eval(), prepared.scale, prepared.describer, 0)
        stages.stage2(options, prepared, state, context, model)
    raise _Measured(marks)


class _Measured(Exception):
    """Times at the end of each step."""


def scans() -> Any:
    """Two scans of 450 ROIs."""
    import pandas as pd

    from brainbench.benchmark.items import Items
    from brainbench.benchmark.kinds.scans import Scans

    rng = np.random.default_rng(0)
    series = [rng.normal(size=(FRAMES, ROIS)).astype(np.float32) for _ in range(BATCH)]
    table = pd.DataFrame({"tr": 2.0, "frames": FRAMES}, index=[str(k) for k in range(BATCH)])
    atlas = {"name": "bench", "labels": [str(k) for k in range(ROIS)]}
    return Scans(Items(table, {"series": series}, {"atlas": atlas}), ())


def gpt2_sized() -> Any:
    """GPT-2's shape with random weights, and bytes as its words."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from brainbench.benchmark.nn.language import ByteTokenizer, Language

    model = GPT2LMHeadModel(GPT2Config(attn_implementation="sdpa")).eval().requires_grad_(False)
    return Language(model, ByteTokenizer(), "gpt2", "random weights in the shape of GPT-2", 12, 12)


def measure(case: str) -> dict[str, float]:
    """Median wall and processor seconds of a step, and the peak memory of this process in GB."""
    import torch

    from brainbench.benchmark.worker import peak_memory

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    kind, size, *rest = case.split()
    marks = [(time.perf_counter(), time.process_time())]
    try:
        if kind.startswith("stage"):
            whole_step(int(kind[-1]), size, rest[0])
        step = ours(size) if kind == "ours" else reference(size)
        series = torch.randn(BATCH, ROIS, FRAMES)
        for _ in range(STEPS + 1):  # the first one starts the codebook, and is left out
            step(series)
            marks.append((time.perf_counter(), time.process_time()))
        marks = marks[1:]
    except _Measured as measured:
        marks = measured.args[0]
    wall, processor = np.median(np.diff(np.array(marks), axis=0), axis=0)
    return {"wall": float(wall), "processor": float(processor), "gb": peak_memory() / 1e9}


def beside_the_reference() -> None:
    """Print the first table."""
    kinds = ["ours", *(["reference"] if PEERS in os.environ else [])]
    if PEERS not in os.environ:
        print(f"set {PEERS} to a folder with a clone of yuxiangwei0808/{REPOSITORY} to run the reference code")
    cases = [f"{kind} {size}" for size in ("S", "B") for kind in kinds]
    table = in_turn(__file__, {case: f"ours {case[-1]}" for case in cases}, ROUNDS)
    print(f"one step of stage 1, batch {BATCH}, {THREADS} threads, medians of {ROUNDS} rounds in turn")
    print(tabulate(table, ["tokenizer", *HEADS], floatfmt=".3g"))


def all_sizes() -> None:
    """Print the second table."""
    cases = [("stage1", "smollm2"), ("stage2", "smollm2"), ("stage2", "gpt2")]
    table = []
    for size in WIDTHS:
        for stage, language in cases:
            found = apart(__file__, f"{stage} {size} {language}")
            table.append([stage, size, language, found["wall"], found["processor"], found["gb"]])
    print(f"one whole step, batch {BATCH}, {ROIS} ROIs, patch {FRAMES}, {THREADS} threads")
    print(tabulate(table, ["stage", "size", "language model", "seconds", "processor s", "GB"], floatfmt=".3g"))


def main() -> None:
    """Print a table, or with ``--case`` the measures of one case."""
    if sys.argv[1:2] == ["--case"]:
        print(json.dumps(measure(" ".join(sys.argv[2:]))))
    elif "--sizes" in sys.argv:
        all_sizes()
    else:
        beside_the_reference()


if __name__ == "__main__":
    main()
