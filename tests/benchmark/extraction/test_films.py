"""Sound and pictures of films whose every frame and sample is known, and features of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from film_maker import make_film
from tiny_models import make_model

from brainbench.benchmark.errors import BadData, BadOption
from brainbench.benchmark.extraction.audio import AudioExtractor, Span, _alike
from brainbench.benchmark.extraction.films import Sampling, chunks_of, clips, sound
from brainbench.benchmark.extraction.layers import choose
from brainbench.benchmark.extraction.models import Loaded, load
from brainbench.benchmark.extraction.transcripts import TR
from brainbench.benchmark.extraction.video import VideoExtractor


def grey(t: float) -> float:
    return 20 + 25 * t


def tone(times: np.ndarray) -> np.ndarray:
    """A tone that changes its height from chunk to chunk."""
    return 0.5 * np.sin(2 * np.pi * (300 + 200 * np.floor(times / TR)) * times)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "friends_s01e01a.mkv", 8.0, grey, tone)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Loaded]:
    folder = tmp_path_factory.mktemp("models")
    kinds = ("whisper", "wav2vec2", "vjepa2", "videomae", "vit")
    return {kind: load(str(make_model(kind, folder / kind))) for kind in kinds}


def nothing(done: int, total: int) -> None:
    pass


@pytest.mark.parametrize(("seconds", "chunks"), [(0.2, 1), (1.49, 1), (2.97, 1), (2.98, 2), (149.0, 100), (150.4, 100)])
def test_chunks_are_whole(seconds: float, chunks: int) -> None:
    assert chunks_of(seconds) == chunks


def test_pictures_are_those_shown_at_the_sampled_times(film: Path) -> None:
    for sampling in (Sampling(4, TR), Sampling(8, 4.0), Sampling(1, 2.0)):
        found = list(clips(film, sampling))
        assert len(found) == 5
        for k, clip in enumerate(found):
            assert clip.shape == (sampling.frames, 48, 64, 3)
            wanted = np.floor(np.maximum(sampling.times(k), 0) * 10 + 1e-9) / 10  # ten frames a second
            np.testing.assert_allclose(clip.mean((1, 2, 3)), grey(wanted), atol=2)
            assert TR * (k + 1) - sampling.seconds < sampling.times(k)[0] <= sampling.times(k)[-1] < TR * (k + 1)


def test_a_film_shorter_than_a_chunk_has_one(tmp_path: Path) -> None:
    short = make_film(tmp_path / "short.mkv", 0.5, grey, tone)
    (clip,) = clips(short, Sampling(4, 2.0))
    np.testing.assert_allclose(clip.mean((1, 2, 3)), [grey(0), grey(0.2), grey(0.4), grey(0.4)], atol=2)


def test_large_frames_are_scaled_down(tmp_path: Path) -> None:
    (clip,) = clips(make_film(tmp_path / "large.mkv", 0.2, grey, size=(1600, 900)), Sampling(2, TR))
    assert clip.shape == (2, 720, 1280, 3)


def test_sound_is_one_channel_at_the_models_rate(film: Path) -> None:
    wave = sound(film, 16000)
    assert abs(len(wave) - 8 * 16000) <= 2
    for k in range(5):
        part = wave[round(k * TR * 16000) + 200 : round((k + 1) * TR * 16000) - 200]
        peak = np.abs(np.fft.rfft(part * np.hanning(len(part)))).argmax() / (len(part) / 16000)
        assert abs(peak - (300 + 200 * k)) < 2
    assert 0.48 < np.abs(wave).max() < 0.52


def test_time_is_kept_through_lossy_codecs(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=Fraction(24000, 1001))
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sounds = container.add_stream("aac", rate=44100, layout="mono")
        for index in range(96):
            value = np.full((48, 64, 3), 220 if index >= 48 else 20, dtype=np.uint8)
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(value, format="rgb24")))
        container.mux(pictures.encode())
        wave = np.zeros((1, 4 * 44100), dtype=np.float32)
        wave[0, 2 * 44100 : 2 * 44100 + 441] = 0.9
        for start in range(0, wave.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(wave[:, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, start
            container.mux(sounds.encode(frame))
        container.mux(sounds.encode())
    click = np.flatnonzero(np.abs(sound(path, 16000)) > 0.4)[0] / 16000
    assert abs(click - 2.0) < 0.01
    (first, second) = clips(path, Sampling(149, TR))  # a picture each hundredth of a second
    shown = np.concatenate([first, second]).mean((1, 2, 3)) > 120
    assert abs(np.flatnonzero(shown)[0] / 100 - 48 * 1001 / 24000) <= 0.02


def test_a_late_sound_track_is_preceded_by_silence(tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("ffv1", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sounds = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for _ in range(20):
            value = np.zeros((48, 64, 3), dtype=np.uint8)
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(value, format="rgb24")))
        container.mux(pictures.encode())
        frame = av.AudioFrame.from_ndarray(np.full((1, 16000), 9000, dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16000, 8000
        container.mux(sounds.encode(frame))
        container.mux(sounds.encode())
    assert abs(np.flatnonzero(sound(path, 16000))[0] - 8000) < 20


def test_files_that_are_no_films_or_cut_short_are_refused(film: Path, tmp_path: Path) -> None:
    silent, blind = make_film(tmp_path / "silent.mkv", 2.0, grey), make_film(tmp_path / "blind.wav", 2.0, None, tone)
    with pytest.raises(BadData, match="has no sound"):
        sound(silent, 16000)
    with pytest.raises(BadData, match="has no pictures"):
        list(clips(blind, Sampling(2, TR)))
    text = tmp_path / "text.mkv"
    text.write_text("no film\n" * 100)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    for path, why in (
        (text, "no film or is damaged"),
        (cut, "ends at 4.* s of 8.0 s"),
        (tmp_path / "none.mkv", "no film"),
    ):
        with pytest.raises(BadData, match=why):
            sound(path, 16000)
        with pytest.raises(BadData, match=why):
            list(clips(path, Sampling(2, TR)))


def test_films_are_bounded_in_length(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brainbench.benchmark.extraction.films.LONGEST", 5)
    with pytest.raises(BadData, match="longer than"):
        sound(film, 16000)


def rows(extractor: AudioExtractor | VideoExtractor, film: Path) -> np.ndarray:
    (found,) = extractor(film, nothing).values()
    return found


@pytest.mark.parametrize(("kind", "layer"), [("whisper", "layers.1.fc2"), ("wav2vec2", "encoder.layers.0")])
def test_a_row_of_sound_is_the_mean_of_the_chunks_states(
    models: dict[str, Loaded], film: Path, kind: str, layer: str
) -> None:
    loaded = models[kind]
    extractor = AudioExtractor(loaded, (layer,), 3.0, 2)
    found = rows(extractor, film)
    wave, heard = sound(film, 16000), {}
    hook = loaded.model.get_submodule(layer).register_forward_hook(
        lambda m, i, o: heard.update(x=o if torch.is_tensor(o) else o[0])
    )
    for k in range(5):
        stop = round(TR * (k + 1) * 16000)
        start = max(0, stop - 48000)
        loaded.forward(**loaded.processor(wave[start:stop], sampling_rate=16000, return_tensors="pt"))
        seconds = 3.0 if kind == "whisper" else (stop - start) / 16000
        middle = (np.arange(len(heard["x"][0])) + 0.5) * seconds / len(heard["x"][0]) + start / 16000
        inside = (middle > TR * k) & (middle < TR * (k + 1))
        mean = heard["x"][0][torch.as_tensor(inside)].mean(0).numpy()
        np.testing.assert_allclose(found[k], mean, atol=0.1 * np.abs(mean).max())  # one state more or less at an edge
    hook.remove()
    assert found.shape == (5, len(mean))
    assert extractor.facts["context"] == 3.0


@pytest.mark.parametrize("kind", ["whisper", "wav2vec2"])
def test_rows_of_sound_know_nothing_later_and_batches_change_nothing(
    models: dict[str, Loaded], film: Path, tmp_path: Path, kind: str
) -> None:
    layers = choose(models[kind].model, ["1.0"])
    cut = make_film(tmp_path / "cut.mkv", 8.0, grey, lambda t: np.where(t < 3 * TR + 0.01, tone(t), 0))
    whole, changed = (rows(AudioExtractor(models[kind], layers, 3.0, 4), path) for path in (film, cut))
    np.testing.assert_allclose(whole[:3], changed[:3], atol=1e-3)
    assert np.abs(whole[3:] - changed[3:]).max(axis=1).min() > 1e-3
    one = rows(AudioExtractor(models[kind], layers, 3.0, 1), film)
    np.testing.assert_allclose(one, whole, atol=1e-4)


def test_batches_of_sounds_are_of_one_length_unless_the_model_pads() -> None:
    spans = [Span(0, 0, 10), Span(0, 10, 20), Span(0, 20, 30), Span(10, 30, 40), Span(20, 40, 50)]
    assert [len(batch) for batch in _alike(spans, 2, fixed=False)] == [1, 1, 2, 1]
    assert [len(batch) for batch in _alike(spans, 2, fixed=True)] == [2, 2, 1]


@pytest.mark.parametrize("kind", ["vjepa2", "videomae", "vit"])
def test_a_row_of_pictures_is_the_mean_of_the_clips_states(models: dict[str, Loaded], film: Path, kind: str) -> None:
    loaded = models[kind]
    layer = choose(loaded.model, ["0.5"])
    extractor = VideoExtractor(loaded, layer, None, 2)
    found = rows(extractor, film)
    frames = {"vjepa2": 8, "videomae": 4, "vit": 8}[kind]
    assert extractor.facts == {
        "context": 4.0 if kind != "vit" else TR,
        "unit": "seconds",
        "pool": "mean",
        "frames": frames,
    }
    clip = list(clips(film, extractor.sampling))[2]
    pixels = next(iter(loaded.processor(list(clip), return_tensors="pt").values()))
    assert pixels.shape == ((frames, 3, 32, 32) if kind == "vit" else (1, frames, 3, 32, 32))
    states = loaded.forward(pixels, output_hidden_states=True).hidden_states
    index = int(layer[0].rpartition(".")[2]) + 1
    np.testing.assert_allclose(found[2], states[index].mean((0, 1)).numpy(), atol=1e-4)
    assert found.shape == (5, states[index].shape[-1])
    np.testing.assert_allclose(rows(VideoExtractor(loaded, layer, None, 5), film), found, atol=1e-4)
    assert np.abs(np.diff(found, axis=0)).max(axis=1).min() > 1e-3


def test_contexts_that_fit_no_chunk_or_model_are_refused(models: dict[str, Loaded]) -> None:
    with pytest.raises(BadOption, match="shorter than a chunk"):
        AudioExtractor(models["wav2vec2"], ("encoder",), 1.0, 1)
    with pytest.raises(BadOption, match="shorter than a chunk"):
        VideoExtractor(models["vjepa2"], ("encoder",), 1.0, 1)
    with pytest.raises(BadOption, match="the chunk alone"):
        VideoExtractor(models["vit"], ("encoder",), 4.0, 1)
    assert AudioExtractor(models["whisper"], ("layers.0",), 99.0, 1).context == 3.0
