from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from nv2l_world import context, picture, told

from brainbench.benchmark.errors import BadOption, BrainbenchError
from brainbench.benchmark.kinds.seen import Stimulus
from brainbench.benchmark.nn.latents import load_codec
from brainbench.methods.nv2l.method import NV2L
from brainbench.methods.nv2l.reconstruct import Pictures, Studio, latent_shape, load_unclip, mixed_latents
from brainbench.methods.nv2l.retelling import central, nearest, retold


def seen(count=16):
    return [Stimulus(captions=tuple(told(k)["captions"]), picture=picture(k)) for k in range(count)]


def studio(**options):
    stimuli = seen()
    codec = load_codec("pca", size=24).fit(Pictures(stimuli))
    known = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)
    return Studio(NV2L(**{**NV2L.presets["small"], **options}), codec, known, stimuli)


def test_the_mix_is_linear_between_latents_and_noise():
    latents = np.random.default_rng(1).normal(3, 2, (50, 40)).astype(np.float32)
    noise = mixed_latents(latents, 1.0, seed=5)
    assert np.array_equal(mixed_latents(latents, 0.0, seed=5), latents)
    assert np.allclose(noise, mixed_latents(latents + 100, 1.0, seed=5), atol=1e-4)
    assert abs(float(noise.mean())) < 0.1
    assert float(noise.std()) == pytest.approx(1, abs=0.05)
    for beta in (0.3, 0.93):
        assert np.allclose(mixed_latents(latents, beta, seed=5), (1 - beta) * latents + beta * noise, atol=1e-4)
    assert not np.allclose(noise, mixed_latents(latents, 1.0, seed=6))


def test_without_noise_the_latents_are_decoded_as_they_are(tmp_path):
    made = studio(beta=0.0)
    latents = made.codec.encode(Pictures(made.stimuli[:3]))
    drawn = made.draw(np.zeros((3, 6)), latents, [""] * 3, context(tmp_path, "reconstruction"))
    assert all(np.array_equal(a, b) for a, b in zip(drawn, made.codec.decode(latents), strict=True))
    noisy = studio(beta=1.0)
    one = noisy.draw(np.zeros((3, 6)), latents, [""] * 3, context(tmp_path, "reconstruction"))
    other = noisy.draw(np.zeros((3, 6)), latents + 5, [""] * 3, context(tmp_path, "reconstruction"))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_retrieval_shows_the_nearest_training_image(tmp_path):
    made = studio(decoder="retrieval")
    wanted = made.known[[4, 9]] + 0.01
    drawn = made.draw(wanted, np.zeros((2, 15), np.float32), ["", ""], context(tmp_path, "reconstruction"))
    assert np.array_equal(drawn[0], picture(4))
    assert np.array_equal(drawn[1], picture(9))


def test_a_blend_lies_between_prediction_and_retrieval(tmp_path):
    made = studio(decoder="blend", blend=0.25)
    latents = made.codec.encode(Pictures(made.stimuli[:1]))
    drawn = made.draw(made.known[[4]], latents, [""], context(tmp_path, "reconstruction"))
    other = made.codec.encode(Pictures(made.stimuli[4:5]))
    assert np.array_equal(drawn[0], made.codec.decode(0.75 * latents + 0.25 * other)[0])


def test_without_latents_a_picture_is_retrieved(tmp_path):
    made = studio(vae=False)
    drawn = made.draw(made.known[[7]], None, [""], context(tmp_path, "reconstruction"))
    assert np.array_equal(drawn[0], picture(7))


def test_retrieval_is_by_the_angle_from_the_training_mean():
    known = np.array([[10, 1], [10, -1], [12, 0]], np.float32)
    assert nearest(np.array([[10.6, 0.5], [10.5, -2], [30, 1]]), known).tolist() == [0, 1, 2]
    assert nearest(np.array([[30, 1]]), known, np.array([0, 1])).tolist() == [0]


def test_the_central_caption_shares_most_words():
    assert central(["a red dog", "a red dog runs", "something else"]) == "a red dog"
    assert central([]) == ""


def test_answers_are_retold_from_images_that_were_asked_the_same(tmp_path):
    class Asked:
        questions = ["what colour is it?", "how many?", "never asked"]

        def __len__(self):
            return 3

    stimuli = [
        Stimulus(dialogue=(("what colour is it?", "red"),)),
        Stimulus(dialogue=(("what colour is it?", "blue"), ("how many?", "two"))),
        Stimulus(),
    ]
    known = np.eye(3, dtype=np.float32)
    said = retold("reasoning", Asked(), np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0]]), known, stimuli)
    assert said == ["red", "two", "blue"]


@pytest.fixture(scope="module")
def unclip_folder(tmp_path_factory):
    """A Stable unCLIP pipeline of a few thousand random weights, saved as a hub repository would be."""
    diffusers = pytest.importorskip("diffusers")
    transformers = pytest.importorskip("transformers")
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer

    folder = tmp_path_factory.mktemp("unclip")
    words = ["<|startoftext|>", "<|endoftext|>", "a</w>", "b</w>", *"abcdefghijklmnopqrstuvwxyz ,."]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    torch.manual_seed(0)
    dim = 12
    text = transformers.CLIPTextConfig(
        hidden_size=16, intermediate_size=16, num_attention_heads=2, num_hidden_layers=1, vocab_size=len(words),
        max_position_embeddings=77, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    vision = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_attention_heads=2, num_hidden_layers=1, projection_dim=dim,
        image_size=16, patch_size=8,
    )  # fmt: skip
    pipeline = diffusers.StableUnCLIPImg2ImgPipeline(
        feature_extractor=transformers.CLIPImageProcessor(size=16, crop_size=16),
        image_encoder=transformers.CLIPVisionModelWithProjection(vision),
        image_normalizer=StableUnCLIPImageNormalizer(embedding_dim=dim),
        image_noising_scheduler=diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=transformers.CLIPTokenizer(
            str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77
        ),
        text_encoder=transformers.CLIPTextModel(text),
        unet=diffusers.UNet2DConditionModel(
            sample_size=8, in_channels=4, out_channels=4, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), block_out_channels=(8, 16), attention_head_dim=4,
            class_embed_type="projection", projection_class_embeddings_input_dim=2 * dim, cross_attention_dim=16,
            layers_per_block=1, norm_num_groups=4,
        ),
        scheduler=diffusers.DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False),
        vae=diffusers.AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 8), latent_channels=4, norm_num_groups=4,
        ),
    )  # fmt: skip
    pipeline.save_pretrained(folder / "pipeline")
    return folder / "pipeline"


def unclip_studio(folder, **options):
    codec = load_codec(f"kl:{folder}/vae", size=16)
    more = {"decoder": "unclip", "unclip": str(folder), "picture_size": 16, "diffusion_steps": 2, **options}
    return Studio(NV2L(**{**NV2L.presets["small"], **more}), codec, np.zeros((16, 12), np.float32), seen())


def test_a_diffusion_decoder_draws_from_latents_embeddings_and_words(unclip_folder, tmp_path):
    made = unclip_studio(unclip_folder, beta=0.5)
    here = context(tmp_path, "reconstruction")
    z_v = made.codec.encode(Pictures(made.stimuli[:2]))
    z_c = np.random.default_rng(0).normal(size=(2, 12)).astype(np.float32)
    drawn = made.draw(z_c, z_v, ["a ball", "b"], here)
    assert [image.shape for image in drawn] == [(16, 16, 3)] * 2
    assert drawn[0].dtype == np.uint8

    def differs(*given):
        return np.abs(made.draw(*given, here)[0].astype(int) - drawn[0]).max() > 0

    assert not differs(z_c, z_v, ["a ball", "b"])
    assert differs(z_c + 3, z_v, ["a ball", "b"])
    assert differs(z_c, -z_v, ["a ball", "b"])
    assert differs(z_c, z_v, ["b a b a z x", "b"])


def test_pure_noise_and_no_latents_are_the_same_start(unclip_folder, tmp_path):
    here = context(tmp_path, "reconstruction")
    z_c = np.random.default_rng(0).normal(size=(1, 12)).astype(np.float32)
    one, other = unclip_studio(unclip_folder, beta=1.0), unclip_studio(unclip_folder, beta=0.2)
    z_v = one.codec.encode(Pictures(one.stimuli[:1]))
    assert np.array_equal(one.draw(z_c, z_v, [""], here)[0], other.draw(z_c, None, [""], here)[0])


def test_latents_of_another_autoencoder_are_refused(unclip_folder, tmp_path):
    made = unclip_studio(unclip_folder)
    with pytest.raises(BadOption, match="starts from") as caught:
        made.draw(np.zeros((1, 12)), np.zeros((1, 5), np.float32), [""], context(tmp_path, "reconstruction"))
    assert "codec=kl:" in caught.value.hint


def test_a_pipeline_starts_from_the_latents_of_its_own_autoencoder(unclip_folder):
    pipeline = load_unclip(str(unclip_folder), "cpu")
    assert latent_shape(pipeline, 16) == (4, 8, 8)


def test_weights_that_are_nowhere_name_the_way_without(monkeypatch):
    pytest.importorskip("diffusers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BrainbenchError, match="no Stable unCLIP pipeline") as caught:
        load_unclip("nobody/nothing", "cpu")
    assert "decoder=autoencoder" in caught.value.hint
