import re
import time

import numpy as np
import pytest

from brainbench.benchmark.simulate.scene_drawing import draw
from brainbench.benchmark.simulate.scene_phrases import NOUNS, plural
from brainbench.benchmark.simulate.scene_words import View, words_of
from brainbench.benchmark.simulate.scenes import CONCEPTS, PLACES, Scene, Thing, sample_scene
from brainbench.benchmark.simulate.seeing import BLOCKS, COLUMNS, NAMES, features_of

SCENES = [sample_scene(np.random.default_rng((5, number))) for number in range(250)]


def alone(concept, **where):
    return Scene("field", "day", 0.5, 3, (Thing(concept, CONCEPTS[concept].colours[0], 0.5, 0.5, 0.4, **where),))


# ------------------------------------------------------------------------------------------------------ scenes


def test_the_same_seed_gives_the_same_scene_and_picture():
    again = [sample_scene(np.random.default_rng((5, number))) for number in range(5)]
    assert again == SCENES[:5]
    assert len({draw(scene).pixels.tobytes() for scene in SCENES[:40]}) == 40
    assert np.array_equal(draw(SCENES[0]).pixels, draw(again[0]).pixels)


def test_everything_occurs_and_stays_in_the_picture():
    assert {thing.concept for scene in SCENES for thing in scene.things} == set(CONCEPTS)
    assert {scene.place for scene in SCENES} == set(PLACES)
    counts = np.bincount([len(scene.things) for scene in SCENES], minlength=5)
    assert counts[0] == 0
    assert (counts[1:] > 10).all()
    assert len(counts) == 5
    for scene in SCENES:
        for thing in scene.things:
            assert min(thing.box) > -0.03, thing
            assert max(thing.box) < 1.03, thing


def test_things_are_where_they_belong():
    for scene in SCENES:
        for thing in scene.things:
            assert scene.place in CONCEPTS[thing.concept].at, scene
            if CONCEPTS[thing.concept].level in ("ground", "water", "top"):
                assert thing.box[3] > scene.horizon, scene
    dogs = [scene for scene in SCENES if "dog" in [thing.concept for thing in scene.things]]
    outside = [scene for scene in SCENES if scene.place in ("field", "beach", "snow", "room", "street")]

    def share(scenes):
        return np.mean(["person" in [thing.concept for thing in scene.things] for scene in scenes])

    assert share(dogs) > 1.15 * share(outside), "people do not go with dogs"


# ----------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("concept", CONCEPTS)
def test_a_box_is_tight_around_what_was_drawn(concept):
    scene = alone(concept, tilt=0.2)
    picture, empty = draw(scene), draw(Scene(scene.place, scene.light, scene.horizon, scene.texture))
    changed = (picture.pixels != empty.pixels).any(axis=-1)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 96
    (box,) = picture.boxes[concept]
    # A pixel that a thing touches by a third changes; a colour like the background's may hide the rim.
    assert np.abs(box - seen).max() <= 1.5 / 96
    assert empty.boxes == {}


def test_a_box_holds_only_what_is_visible():
    behind = Thing("car", "red", 0.5, 0.5, 0.3)
    cover = Thing("bus", "blue", 0.95, 0.5, 0.45)
    scene = Scene("street", "day", 0.5, 0, (behind, cover))
    (box,) = draw(scene).boxes["car"]
    (free,) = draw(Scene("street", "day", 0.5, 0, (behind,))).boxes["car"]
    assert box[2] < free[2] - 0.1
    assert np.allclose(box[:2], free[:2])
    hidden = Scene("street", "day", 0.5, 0, (Thing("car", "red", 0.85, 0.48, 0.1), cover))
    assert set(draw(hidden).boxes) == {"bus"}


def test_boxes_of_one_concept_come_largest_first():
    things = tuple(Thing("kite", "red", x, 0.3, height) for x, height in ((0.2, 0.2), (0.5, 0.4), (0.8, 0.3)))
    boxes = draw(Scene("sky", "day", 1.0, 0, things)).boxes["kite"]
    assert boxes.shape == (3, 4)
    assert (np.diff(boxes[:, 3] - boxes[:, 1]) < 0).all()


def test_pictures_come_in_any_size_with_the_same_boxes_and_features():
    for size in (16, 50, 425):
        assert draw(SCENES[1], size).pixels.shape == (size, size, 3)
    scenes = SCENES[:20]
    at = {size: [draw(scene, size) for scene in scenes] for size in (48, 96, 192)}
    for scene, small, large in zip(scenes, at[96], at[192], strict=True):
        for concept in small.boxes:
            assert np.abs(small.boxes[concept] - large.boxes[concept]).max() < 0.02, scene
    seen = {
        size: np.stack(
            [features_of(one.pixels, View.of_scene(scene)) for one, scene in zip(found, scenes, strict=True)]
        )
        for size, found in at.items()
    }
    early = BLOCKS["early"]
    assert np.corrcoef(seen[96][:, early].ravel(), seen[48][:, early].ravel())[0, 1] > 0.99
    assert np.corrcoef(seen[96][:, early].ravel(), seen[192][:, early].ravel())[0, 1] > 0.99
    with pytest.raises(ValueError, match="16 pixels"):
        draw(SCENES[0], 15)


def test_edges_are_smooth():
    picture = draw(Scene("snow", "day", 0.5, 0, (Thing("sports ball", "blue", 0.5, 0.7, 0.3),))).pixels
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 300
    blue = picture[:, :, 2].astype(int) - picture[:, :, 0]
    assert len(np.unique(blue[60:70, 30:45])) > 8, "no shades between the ball and the snow"


def test_a_hundred_pictures_take_less_than_a_second():
    began = time.process_time()
    for scene in SCENES[:100]:
        draw(scene)
    assert time.process_time() - began < 1.0


# -------------------------------------------------------------------------------------------------------- words

WORDS = [words_of(View.of_scene(scene), np.random.default_rng((6, number))) for number, scene in enumerate(SCENES)]


def mentioned(text):
    """Concepts whose words are in a text."""
    text = " " + re.sub(r"[^a-z ]", " ", text.lower()) + " "
    text = text.replace(" someone ", " person ")
    found = set()
    for concept in sorted(CONCEPTS, key=len, reverse=True):
        for noun in sorted({concept, *NOUNS[concept]}, key=len, reverse=True):
            for form in (noun, plural(noun)):
                if f" {form} " in text:
                    found.add(concept)
                    text = text.replace(f" {form} ", " ")
    return found


def test_captions_name_what_is_there_and_nothing_else():
    for scene, words in zip(SCENES, WORDS, strict=True):
        there = {thing.concept for thing in scene.things}
        assert len(set(words.captions)) == 5
        for text in words.captions:
            assert mentioned(text), text
            assert mentioned(text) <= there, (text, there)
        assert mentioned(words.description) == there, words.description


def test_captions_leave_something_out():
    colours = np.mean(
        [any(f" {colour} " in text for colour in ("red", "blue", "white")) for w in WORDS for text in w.captions]
    )
    assert 0.05 < colours < 0.5
    crowded = [words for scene, words in zip(SCENES, WORDS, strict=True) if len({t.concept for t in scene.things}) > 2]
    assert np.mean([len(mentioned(text)) < 3 for words in crowded for text in words.captions]) > 0.5


def test_words_of_one_scene():
    things = (Thing("airplane", "white", 0.3, 0.2, 0.2), Thing("boat", "red", 0.75, 0.6, 0.5))
    words = words_of(View.of_scene(Scene("sea", "sunset", 0.4, 0, things)), np.random.default_rng(0))
    assert words.captions[0] == "A boat and an airplane on the sea at sunset."
    assert words.description == (
        "The image shows a sea at sunset. There is a boat and an airplane in the picture. The red boat is on the "
        "right. The white airplane is on the left. The largest thing is the boat."
    )
    twice = (Thing("person", "orange", 0.2, 0.6, 0.5), Thing("person", "orange", 0.8, 0.6, 0.5))
    said = words_of(View.of_scene(Scene("snow", "day", 0.4, 0, twice)), np.random.default_rng(0))
    assert said.captions[0] == "Two people standing in the snow."
    assert any("two people in orange shirts" in text.lower() for text in said.captions)


def test_answers_follow_from_the_scene():
    asked = dict.fromkeys(("many", "colour", "there", "larger", "left", "where", "indoors", "seen"), 0)
    for scene, words in zip(SCENES, WORDS, strict=True):
        things = {thing.concept: thing for thing in scene.things}
        count = {name: sum(thing.concept == name for thing in scene.things) for name in CONCEPTS}
        for question, answer in words.dialogue:
            concepts = mentioned(question)
            if question.startswith("How many"):
                (name,) = concepts
                told = ("no", "one", "two", "three", "four")[count[name]]
                assert f" {told} " in answer, (question, answer)
                asked["many"] += 1
            elif question.startswith("What colour"):
                (name,) = concepts
                assert answer.endswith(f" {things[name].colour}."), (question, answer)
                asked["colour"] += 1
            elif question.startswith("Is there"):
                (name,) = concepts
                assert answer.startswith("Yes" if count[name] else "No"), (question, answer)
                asked["there"] += 1
            elif question.startswith("Which is larger"):
                large, small = sorted(concepts, key=lambda name: -things[name].width * things[name].height)
                assert answer == f"The {large} is larger than the {small}."
                asked["larger"] += 1
            elif "to the left of" in question:
                first, second = re.match(r"Is the (.+) to the left of the (.+)\?", question).groups()
                assert answer.startswith("Yes" if things[first].x < things[second].x else "No"), (question, answer)
                asked["left"] += 1
            elif question.startswith("Where is the"):
                (name,) = concepts
                side = ("left", "middle", "right")[min(2, int(things[name].x * 3))]
                assert side in answer
                asked["where"] += 1
            elif question.startswith("Is this indoors"):
                assert answer.startswith(f"This is {'indoors' if scene.place in ('room', 'table') else 'outdoors'},")
                asked["indoors"] += 1
            elif question.startswith("What can be seen"):
                assert mentioned(answer) == set(things)
                asked["seen"] += 1
        assert 3 <= len(words.dialogue) <= 6
        assert len({question for question, _ in words.dialogue}) == len(words.dialogue)
    assert min(asked.values()) > 20, asked
    presence = [answer[:2] for words in WORDS for question, answer in words.dialogue if question.startswith("Is there")]
    assert 0.35 < presence.count("No") / len(presence) < 0.65


# ----------------------------------------------------------------------------------------------------- features


def test_features_say_what_is_where():
    scene = Scene("sea", "sunset", 0.4, 0, (Thing("boat", "red", 0.25, 0.75, 0.4),))
    found = features_of(draw(scene).pixels, View.of_scene(scene))
    assert found.shape == (len(NAMES),)
    assert found[COLUMNS["concept:boat"]] == found[COLUMNS["group:vehicle"]] > 0.5
    assert found[BLOCKS["concept"]].astype(bool).sum() == found[BLOCKS["group"]].astype(bool).sum() == 1
    assert found[COLUMNS["place:sea"]] == found[COLUMNS["look:sunset"]] == 1
    assert found[BLOCKS["place"]].sum() == 1
    assert found[COLUMNS["colour:red"]] > 0 == found[COLUMNS["colour:blue"]]
    where = found[BLOCKS["where"]].reshape(4, 4)
    assert where[2:, :2].sum() > 0.9 * where.sum()
    light, red = found[BLOCKS["early"]].reshape(8, 8, 5)[..., 0], found[BLOCKS["early"]].reshape(8, 8, 5)[..., 1]
    assert light[2].mean() > light[4].mean(), "the evening sky is lighter than the sea"
    assert red[6:, 1:3].mean() > red[6:, 5:7].mean(), "the boat is red"
