"""Vision: words, pictures and places from the brain, on responses to natural images.

All brains are trained and tested together; a method may make one model a brain. Scores are made for each brain
and averaged; intervals resample images, which several brains may have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from ..benchmark.contracts import Task
from ..benchmark.datasets.response_rows import rows_of_concepts, rows_of_images, rows_of_localised, rows_of_questions
from ..benchmark.errors import BadOption
from ..benchmark.items import Items
from ..benchmark.kinds.seen import BRAIN
from ..benchmark.splits import Given

TEXT = ("cider-d", "bleu-1", "bleu-2", "bleu-3", "bleu-4", "meteor", "rouge-l", "spice")
CAPTION = (*TEXT, "clip-s", "ref-clip-s")
PICTURE = (
    *("pixcorr", "ssim", "alexnet-2", "alexnet-5", "inception", "clip", "effnet-b", "swav"),
    *("lpips", "retrieval-300", "ssim-legacy-columns"),
)
GROUNDING = (
    *("grounding-acc", "grounding-iou", "brainhub-acc", "brainhub-iou"),
    *(f"brainhub-{score}:{group}" for group in ("S", "I") for score in ("acc", "iou")),
)
MAPS = ("deletion", "map-auc")

ALL = ("1", "2", "5", "7")
"""The four participants of NSD who finished all sessions."""


def brains(argument: str, task: str) -> tuple[str, ...]:
    """Names of the brains in ``1,2``. Raises `BadOption`, also for a second spelling of the same choice."""
    given = tuple(argument.split(","))
    if not set(given) <= set(ALL):
        raise BadOption(f"{task}:{argument}: participants are {', '.join(ALL)}", f"use  {task}:1  or  {task}:1,2")
    proper = tuple(name for name in ALL if name in given)
    if given != proper:
        raise BadOption(f"{task}:{argument}: not in order, or named twice", f"use  {task}:{','.join(proper)}")
    if proper == ALL:
        raise BadOption(f"{task}:{argument}: these are all participants", f"use  {task.removesuffix('@subjects')}")
    return tuple(f"subj{int(name):02d}" for name in proper)


def subjects(task: Task, argument: str) -> Task:
    """Some participants only, in training as in testing."""
    wanted = brains(argument, f"{task.name}@subjects")
    return replace(
        task,
        title=f"{task.title}, {' and '.join(wanted)}",
        derive=partial(of_brains, task.derive, wanted),
        published=task.published and published(f"{task.published[1]} subjects:{argument}"),
    )


def single_trial(task: Task, argument: str) -> Task:
    """Only the first response to each test image; training items keep all theirs."""
    one = replace(
        task,
        title=f"{task.title}, single trial",
        derive=partial(first_trial, task.derive),
        published=published("single trial") if task.kind == "reconstruction" else None,
    )
    if not argument:
        return one
    wanted = brains(argument, f"{task.name}@single-trial")
    return replace(one, title=f"{one.title}, {' and '.join(wanted)}", derive=partial(of_brains, one.derive, wanted))


def of_brains(derive: Callable[[Items], Items] | None, wanted: tuple[str, ...], items: Items) -> Items:
    """The items of these brains. Raises `BadOption` where a brain has none."""
    made = derive(items) if derive else items
    here = made.table[BRAIN].to_numpy()
    missing = [name for name in wanted if name not in set(here)]
    if missing:
        raise BadOption(f"the data hold no responses of {', '.join(missing)}", "see `brainbench data check nsd`")
    chosen = made.take(np.flatnonzero(np.isin(here.astype(str), wanted)))
    return Items(chosen.table, chosen.arrays, {**chosen.meta, "subjects": len(wanted)})


def first_trial(derive: Callable[[Items], Items] | None, items: Items) -> Items:
    """Test items with the first of their repeats."""
    made = derive(items) if derive else items
    test = (made.table["set"] == "test").to_numpy()
    responses = [
        value if value is None or not alone else (value.rows(0, 1) if hasattr(value, "rows") else value[:1])
        for value, alone in zip(made.arrays["response"], test, strict=True)
    ]
    return Items(made.table, {**made.arrays, "response": responses}, made.meta)


def blip2(task: Task, argument: str) -> Task:
    """Captions that BLIP-2 wrote of the cropped images as references, where the lab has them."""
    if argument:
        raise BadOption(f"{task.name}@blip2:{argument}: takes nothing after the colon", f"use  {task.name}@blip2")
    return replace(
        task,
        title=f"{task.title}, references by BLIP-2",
        derive=partial(rows_of_images, references="blip2"),
        published=published("caption blip2"),
    )


REGIMES = {"subjects": subjects, "single-trial": single_trial}

DESCRIPTION = (
    "Responses of four brains to natural images. Test images are those that all four saw (982 in the first 37 sessions "
    "of NSD), and the responses to one, up to three, are averaged. @single-trial shows the first response only. Scores "
    "are made for each brain, against all test images of it, and averaged; intervals resample images. @subjects:1,2 "
    "keeps some brains."
)


def published(setting: str) -> tuple[str, str]:
    """Where papers' numbers for a setting stand."""
    return "NSD", setting


def declare(
    name: str,
    title: str,
    kind: str,
    target: str,
    metrics: tuple[str, ...],
    derive: Callable[[Items], Items],
    note: str = "",
    papers: str = "",
) -> Task:
    """A vision task."""
    return Task(
        name=name,
        title=title,
        description=f"{DESCRIPTION} {note}".rstrip(),
        family="vision",
        version=1,
        kind=kind,
        dataset="nsd",
        target=target,
        split=Given(),
        metrics=metrics,
        published=published(papers) if papers else None,
        parts=BRAIN,
        derive=derive,
        regimes=REGIMES,
    )


def declared() -> Mapping[str, Task]:
    """All tasks of the family by name."""
    tasks = (
        declare(
            "nsd-caption", "NSD, one sentence on the image", "captioning", "references", CAPTION, rows_of_images,
            "References are the COCO captions of the image, five or six of them.", "caption",
        ),
        declare(
            "nsd-description", "NSD, a detailed description of the image", "description", "description", TEXT,
            partial(rows_of_images, references="description"), "One reference text an image.", "description",
        ),
        declare(
            "nsd-reasoning", "NSD, answers about the image", "reasoning", "dialogue", TEXT, rows_of_questions,
            "One item a question; one reference answer.", "reasoning",
        ),
        declare(
            "nsd-reconstruction", "NSD, the image that was seen", "reconstruction", "image", PICTURE,
            partial(rows_of_images, references=None), "", "reconstruction",
        ),
        declare(
            "nsd-grounding", "NSD, boxes of named objects", "grounding", "area", GROUNDING, rows_of_concepts,
            "One item a class of objects that is in the image.", "grounding",
        ),
        declare(
            "nsd-localisation", "NSD, voxels that carry a concept", "localisation", "relevance", MAPS,
            rows_of_localised,
            "A deletion test: what a reader of the concept, fitted by the evaluator on training items, loses without "
            "the voxels that a map names, beyond what other concepts lose and what random voxels would cost.",
        ),
    )  # fmt: skip
    found = {task.name: task for task in tasks}
    caption = found["nsd-caption"]
    return {**found, caption.name: replace(caption, regimes={**REGIMES, "blip2": blip2})}


DECLARED = declared()
