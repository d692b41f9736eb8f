"""Answers of fMRI-LM for 1,000 scans, beside asking label by label. Run: ``python tests/perf/bench_label_scoring.py``.

Ours scores all candidate answers of a batch in one pass, and the fields of a multiple answer from the keys and
values of what was read. Label by label, every label is a pass of its own over scan, prompt, the answer so far and
the label, in batches of the same size. Preset ``small`` with SmolLM2 on one thread, weights untrained (times do not
depend on them); CPU seconds of this process, so that a busy machine does not blur them. SCANS and ROIS may be given.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from brainbench.benchmark.contracts import Context, TaskInfo
from brainbench.benchmark.kinds.questions import Answers
from brainbench.benchmark.nn.generation import Reading
from brainbench.benchmark.nn.language import load_language
from brainbench.benchmark.nn.packing import Prefix, Text, branch_scores, pack, read
from brainbench.methods.fmri_lm import predicting
from brainbench.methods.fmri_lm.answering import Asker, ManyLabels, OneLabel, asker_of
from brainbench.methods.fmri_lm.inputs import Inputs
from brainbench.methods.fmri_lm.method import FMRILM
from brainbench.methods.fmri_lm.pretraining import build_tokenizer
from brainbench.methods.fmri_lm.prompts import Speech
from brainbench.methods.fmri_lm.reader import Adapter, Reader, adapt

BANDS = ("<18", "18-35", "36-59", "60-74", ">=75")
FIELDS = {"sex": ("female", "male"), "age_group": BANDS, "diagnosis": ("control", "autism")}
TASKS = {
    "two classes": TaskInfo("asd", "classification", "diagnosis", ("control", "autism")),
    "five bands of age": TaskInfo("age", "classification", "age_group", BANDS),
    "three fields, nine labels": TaskInfo("multi", "questions", "answers", fields=FIELDS, paradigm="multi"),
}
TOLERANCE = 1e-4


def build(rois: int) -> Reader:
    """The reader of the small preset, untrained."""
    torch.manual_seed(0)
    options = FMRILM(**FMRILM.presets["small"])
    language = load_language(options.lm, options.lm_layers, 0)
    tokenizer = build_tokenizer(options, rois).eval()
    adapter = Adapter(tokenizer.shape, language.width, float(language.table.std()), options.merge)
    adapt(options, language)
    reader = Reader.of(options, tokenizer, adapter, language)
    reader.train(False)
    return reader


def alone(reader: Reader, prefix: Prefix, prompts: list[list[int]], label: list[int]) -> torch.Tensor:
    """(batch,) log-likelihood of one label behind each prompt, in a pass of its own."""
    text = pack([Text.of(ids, [label]) for ids in prompts], reader.language.tokenizer.eos)
    return branch_scores(reader.language, read(reader.language, prefix, text).text, text, 1)[:, 0]


def label_by_label(reader: Reader, inputs: Inputs, asker: Asker, prompts: list[str]) -> list[np.ndarray]:
    """Probabilities of each field: (n, labels)."""
    fields = asker.candidates if isinstance(asker, ManyLabels) else {"": asker.candidates}  # type: ignore[attr-defined]
    found: list[list[np.ndarray]] = [[] for _ in fields]
    with torch.no_grad():
        for start in range(0, len(prompts), predicting.BATCH):
            rows = np.arange(start, min(start + predicting.BATCH, len(prompts)))
            said = [asker.speech.tokenizer.encode(prompts[row]) for row in rows]
            for k, candidates in enumerate(fields.values()):
                said = [ids + asker.separator for ids in said] if k and isinstance(asker, ManyLabels) else said
                scores = []
                for label in candidates:
                    prefix = reader.prefix(reader.tokens(torch.from_numpy(inputs.batch(rows))))
                    assert prefix is not None
                    scores.append(alone(reader, prefix, said, label))
                shares = torch.stack(scores, 1).double().softmax(1).numpy()
                found[k].append(shares)
                said = [ids + candidates[best] for ids, best in zip(said, shares.argmax(1), strict=True)]
    return [np.concatenate(part) for part in found]


def ours(reader: Reader, inputs: Inputs, asker: Asker, prompts: list[str]) -> list[np.ndarray]:
    """The same through `predicting`, texts not counted: nobody writes them label by label."""
    if isinstance(asker, OneLabel):
        task = Context(asker.info, 0, Path())
        found = predicting.predict(reader, inputs, np.arange(len(inputs)), asker, prompts, task)
        assert not isinstance(found, Answers)
        return [found]
    assert isinstance(asker, ManyLabels)
    parts = []
    with torch.no_grad():
        for start in range(0, len(prompts), predicting.BATCH):
            rows = np.arange(start, min(start + predicting.BATCH, len(prompts)))
            said = [asker.speech.tokenizer.encode(prompts[row]) for row in rows]
            prefix = reader.prefix(reader.tokens(torch.from_numpy(inputs.batch(rows))))
            parts.append(predicting.chain(Reading(reader.language, prefix, said), asker))
    return [np.concatenate([part[name] for part in parts]) for name in asker.candidates]


def timed(run: Callable[[], list[np.ndarray]]) -> tuple[float, list[np.ndarray]]:
    """CPU seconds, and what came out."""
    start = time.process_time()
    found = run()
    return time.process_time() - start, found


def main() -> None:
    """Print a table; the exit status says whether the numbers agree."""
    count, rois = (int(sys.argv[1]) if len(sys.argv) > 1 else 1000), (int(sys.argv[2]) if len(sys.argv) > 2 else 100)
    torch.set_num_threads(1)
    reader = build(rois)
    rng = np.random.default_rng(0)
    inputs = Inputs(rng.normal(size=(count, rois, 160)).astype(np.float16), np.ones(count, np.float32))
    table, worst = [], 0.0
    for name, info in TASKS.items():
        asker = asker_of(info, Speech(reader.language.tokenizer))
        prompts = [asker.speech.text(asker.tested())] * count
        fast, first = timed(lambda a=asker, p=prompts: ours(reader, inputs, a, p))  # type: ignore[misc]
        slow, second = timed(lambda a=asker, p=prompts: label_by_label(reader, inputs, a, p))  # type: ignore[misc]
        apart = max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))
        worst = max(worst, apart)
        table.append((name, f"{fast:.1f}", f"{slow:.1f}", f"{slow / fast:.1f}", f"{apart:.1e}"))
    print(f"{count} scans of {rois} ROIs, preset small")
    print(tabulate(table, headers=("asked", "ours, s", "label by label, s", "times", "largest difference")))
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
