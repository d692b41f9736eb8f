"""Twenty little pictures with words, boxes and questions, seen by two small brains: rows of every kind of seeing."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from nv2l_toy import SHAPES, meta_of, places

from brainbench.benchmark.contracts import Context, TaskInfo, Train
from brainbench.benchmark.items import Items
from brainbench.benchmark.kinds.seen import Responses, stimuli

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (40, 60, 200), "yellow": (230, 210, 60)}
THINGS = {"ball": 0.3, "box": 0.6}
SIDE = 24
TINY = {
    "features": "pixels", "width": 24, "layers": 2, "heads": 2, "head_hidden": 32, "epochs": 3, "hold_out": 0,
    "patch": 4, "cam_patches": "4,3", "words_width": 32, "words_layers": 1, "words_heads": 2, "taught_epochs": 1,
    "step2_epochs": 1, "answer_tokens": 12,
}  # fmt: skip


def scene(number):
    """Colour, thing and side of a picture: all combinations come round."""
    colour = list(COLOURS)[number % 4]
    thing = list(THINGS)[number // 4 % 2]
    return colour, thing, "left" if number // 8 % 2 else "right"


def picture(number):
    colour, thing, side = scene(number)
    image = np.full((SIDE, SIDE, 3), 120, np.uint8)
    image[: SIDE // 2] = 180
    x0, y0, x1, y1 = (np.array(box_of(thing, side)) * SIDE).round().astype(int)
    image[y0:y1, x0:x1] = COLOURS[colour]
    return image


def box_of(thing, side):
    half = THINGS[thing] / 2
    centre = 0.3 if side == "left" else 0.7
    return [max(centre - half, 0), 0.5 - half, min(centre + half, 1), 0.5 + half]


def told(number):
    """Columns of what was seen."""
    colour, thing, side = scene(number)
    return {
        "captions": [f"a {colour} {thing} on the {side}.", f"there is a {colour} {thing}."],
        "description": f"a {colour} {thing} stands on the {side} of a grey field under a light sky.",
        "boxes": json.dumps({thing: [box_of(thing, side)]}),
        "dialogue": json.dumps([["what colour is it?", colour], ["where is it?", f"on the {side}."]]),
    }


def signal(number):
    colour, thing, side = scene(number)
    out = np.zeros(12)
    out[list(COLOURS).index(colour)] = 2
    out[4 + list(THINGS).index(thing)] = 2
    out[6 + (side == "left")] = 2
    return out


def rows_of(kind, number):
    """What is asked of a picture: one row, or one a question or concept."""
    if kind == "reasoning":
        return [{"question": question} for question, _ in json.loads(told(number)["dialogue"])]
    if kind in ("grounding", "localisation"):
        return [{"concept": scene(number)[1]}]
    return [{}]


def items_of(folder, kind, numbers, noise=0.3, seed=0):
    rng = np.random.default_rng([seed, *numbers])
    waves = np.random.default_rng(1).normal(size=(3, 12)) * 4
    phases = np.random.default_rng(2).uniform(0, 6.28, 12)
    table, responses, images = [], [], []
    for brain, shape in SHAPES.items():
        tuning = np.sin(places(shape) @ waves + phases)
        for number in numbers:
            clean = tuning @ signal(number)
            values = (clean + noise * rng.normal(size=(3, len(clean)))).astype(np.float32)
            for k, asked in enumerate(rows_of(kind, number)):
                row = {"id": f"{brain}/{number}/{k}", "subject": str(number), "subject_space": brain, "group": number}
                table.append(row | told(number) | asked)
                responses.append(values)
                images.append(picture(number))
    frame = pd.DataFrame(table).set_index("id")
    return Items(frame, {"response": responses, "image": images}, meta_of(folder))


def training(folder, kind, numbers=range(16), **more):
    items = items_of(folder, kind, list(numbers), **more)
    return Train(Responses(items), stimuli(items), items.table["group"].to_numpy())


def unseen(folder, kind, numbers=range(16, 20), **more):
    """Test responses without anything that was seen, and the truth apart."""
    items = items_of(folder, kind, list(numbers), **more)
    shown = [name for name in ("subject_space", "question", "concept") if name in items.table]
    return Responses(Items(items.table[shown], {"response": items.arrays["response"]}, items.meta)), stimuli(items)


def context(folder, kind, **more):
    return Context(TaskInfo(f"toy-{kind}", kind, "captions"), seed=0, workdir=folder, **more)
