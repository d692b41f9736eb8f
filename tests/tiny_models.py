"""Models of every class with random weights and a few thousand parameters, saved as the hub's are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

BYTES = [chr(code) for code in range(33, 127)]


def _tokenizer(folder: Path, kind: str) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = {"llama": ["<s>"], "bert": ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]}[kind]
    if kind == "llama":
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        made = Tokenizer(models.BPE({token: i for i, token in enumerate([*specials, *letters])}, []))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.post_processor = processors.ByteLevel(trim_offsets=True)
        options: dict[str, Any] = {"bos_token": "<s>"}
    else:
        letters = [*BYTES, *(f"##{letter}" for letter in BYTES)]
        vocabulary = {token: i for i, token in enumerate([*specials, *letters])}
        made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
        options = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    PreTrainedTokenizerFast(tokenizer_object=made, **options).save_pretrained(folder)


def _llama(folder: Path) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    _tokenizer(folder, "llama")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=300, num_key_value_heads=1, max_position_embeddings=256, **sizes))


def _bert(folder: Path) -> Any:
    from transformers import BertConfig, BertForMaskedLM

    _tokenizer(folder, "bert")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return BertForMaskedLM(BertConfig(vocab_size=300, max_position_embeddings=64, **sizes))


def _whisper(folder: Path) -> Any:
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    WhisperFeatureExtractor(chunk_length=3).save_pretrained(folder)
    sizes = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2}
    sizes |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    tokens = {"vocab_size": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    return WhisperForConditionalGeneration(WhisperConfig(max_source_positions=150, **sizes, **tokens))


def _wav2vec2(folder: Path) -> Any:
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    sound = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    return Wav2Vec2ForCTC(Wav2Vec2Config(vocab_size=32, **sizes, **sound))


def _vjepa2(folder: Path) -> Any:
    from transformers import VJEPA2Config, VJEPA2Model, VJEPA2VideoProcessor

    VJEPA2VideoProcessor(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    sizes = {"hidden_size": 24, "num_attention_heads": 2, "num_hidden_layers": 3, "mlp_ratio": 2}
    ahead = {"pred_hidden_size": 24, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 4, "pred_mlp_ratio": 2}
    return VJEPA2Model(VJEPA2Config(crop_size=32, frames_per_clip=8, **sizes, **ahead))


def _videomae(folder: Path) -> Any:
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification, VideoMAEImageProcessor

    VideoMAEImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}
    return VideoMAEForVideoClassification(VideoMAEConfig(image_size=32, num_frames=4, **sizes))


def _vit(folder: Path) -> Any:
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}
    return ViTForImageClassification(ViTConfig(image_size=32, patch_size=16, **sizes))


def _clip(folder: Path) -> Any:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}
    seeing, reading = {**sizes, "image_size": 32, "patch_size": 16}, {**sizes, "vocab_size": 32}
    return CLIPModel(CLIPConfig(vision_config=seeing, text_config=reading, projection_dim=8))


def _resnet(folder: Path) -> Any:
    from transformers import ResNetConfig, ResNetForImageClassification, ViTImageProcessor

    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return ResNetForImageClassification(ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1]))


MAKERS: dict[str, Callable[[Path], Any]] = {
    "llama": _llama,
    "bert": _bert,
    "whisper": _whisper,
    "wav2vec2": _wav2vec2,
    "vjepa2": _vjepa2,
    "videomae": _videomae,
    "vit": _vit,
    "clip": _clip,
    "resnet": _resnet,
}


def make_model(kind: str, folder: Path) -> Path:
    """A saved model of a kind, with its processor; its weights are large enough to tell inputs apart."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = MAKERS[kind](folder)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(4)
    model.save_pretrained(folder)
    return folder
