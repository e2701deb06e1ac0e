"""Small checkpoints with random weights, laid out in folders exactly as their big sisters are on the hub."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AlbertConfig,
    AlbertModel,
    BertConfig,
    BertForPreTraining,
    BertModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)
from transformers.utils import logging

logging.disable_progress_bar()

SENTENCES = [
    "Lampu jalan di depan balai desa mati sejak pekan lalu, mohon diperbaiki.",
    "Jalan kabupaten menuju pasar berlubang dalam dan membahayakan pengendara motor.",
    "Air PDAM tidak mengalir tiga hari di perumahan kami, tagihan tetap datang.",
    "Sampah menumpuk di pinggir sungai dan baunya sampai ke sekolah.",
    "Petugas puskesmas meminta biaya padahal kami memakai kartu BPJS.",
    "Saluran air di RT 05 tersumbat, setiap hujan rumah warga kebanjiran.",
    "Bantuan beras untuk lansia belum dibagikan oleh kantor kelurahan.",
    "Mohon informasi syarat membuat akta kelahiran di Disdukcapil.",
    "Pohon besar tumbang menutup jalan, tolong segera dipotong.",
    "Guru honorer di SD kami belum menerima gaji selama empat bulan.",
    "Kabel listrik menjuntai rendah di gang, takut anak-anak tersengat.",
    "Parkir liar di trotoar membuat pejalan kaki turun ke jalan raya.",
]

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_SHAPE = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}


def indobert(folder: Path) -> Path:
    """As indobenchmark/indobert-base-p1: lower-case word pieces in vocab.txt, pickled weights with heads."""
    words = _word_pieces(folder, lower=True)
    write_json(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 64})
    config = BertConfig(vocab_size=len(words) + 7, max_position_embeddings=64, **_SHAPE)
    torch.save(random_weights(BertForPreTraining(config)).state_dict(), folder / "pytorch_model.bin")
    write_json(folder / "config.json", {**config.to_dict(), "architectures": ["BertForPreTraining"]})
    return folder


def indobert_lite(folder: Path) -> Path:
    """As indobenchmark/indobert-lite-base-p1: an ALBERT, yet with word pieces in vocab.txt and no spiece.model."""
    words = _word_pieces(folder, lower=True)
    write_json(folder / "tokenizer_config.json", {"do_lower_case": True})
    config = AlbertConfig(vocab_size=len(words), embedding_size=16, max_position_embeddings=64, **_SHAPE)
    random_weights(AlbertModel(config)).save_pretrained(folder)
    return folder


def mbert(folder: Path) -> Path:
    """As bert-base-multilingual-cased: word pieces that tell capitals, tokenizer.json beside vocab.txt."""
    words = _word_pieces(folder, lower=False)
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"do_lower_case": False, "tokenizer_class": "BertTokenizer"})
    config = BertConfig(vocab_size=len(words), max_position_embeddings=64, **_SHAPE)
    random_weights(BertModel(config)).save_pretrained(folder)
    return folder


def xlm_roberta(folder: Path) -> Path:
    """As xlm-roberta-base: sentence pieces in tokenizer.json, positions counted from after the padding's number."""
    pieces = [
        *(("▁" + word, -4.0) for word in words_of_sentences()),
        *((letter, -8.0) for letter in ["▁", *_letters()]),
    ]
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    tokenizer = Tokenizer(models.Unigram([*special, *pieces], unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([name for name, _ in special])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return _roberta(folder, tokenizer, XLMRobertaConfig, XLMRobertaModel, "XLMRobertaTokenizer")


def roberta(folder: Path) -> Path:
    """As the Indonesian RoBERTas: pieces of bytes, of one byte each here."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate([*special, *alphabet])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return _roberta(folder, tokenizer, RobertaConfig, RobertaModel, "RobertaTokenizer")


BUILDERS: dict[str, Callable[[Path], Path]] = {
    builder.__name__: builder for builder in (indobert, indobert_lite, mbert, xlm_roberta, roberta)
}


def random_weights(model: PreTrainedModel) -> PreTrainedModel:
    """The same weights every time, as large as fresh ones are, with a few loud channels as trained models have them."""
    generator = torch.Generator().manual_seed(5)
    deviation = 0.6 / model.config.hidden_size**0.5
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)
            if name.lower().endswith(("layernorm.weight", "layer_norm.weight")):
                parameter.add_(1)
                parameter[:2] *= 8
    return model


def _roberta(
    folder: Path,
    tokenizer: Tokenizer,
    config_class: type[RobertaConfig | XLMRobertaConfig],
    model_class: type[RobertaModel | XLMRobertaModel],
    tokenizer_class: str,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"tokenizer_class": tokenizer_class, "pad_token": "<pad>", "unk_token": "<unk>", "model_max_length": 64}
    write_json(folder / "tokenizer_config.json", about)
    config = config_class(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=66,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        **_SHAPE,
    )
    random_weights(model_class(config)).save_pretrained(folder)
    return folder


def _word_pieces(folder: Path, *, lower: bool) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    words = [*SPECIAL, *pieces(lower=lower)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return words


def pieces(*, lower: bool) -> list[str]:
    """The words of SENTENCES without a common ending, the endings, and all letters, at the start and inside."""
    known = [word.lower() if lower else word for word in words_of_sentences()]
    letters = [letter for letter in _letters() if not lower or letter == letter.lower()]
    endings = ["nya", "kan", "an", "lah"]
    stems = [next((word.removesuffix(end) for end in endings if word.endswith(end)), word) for word in known]
    return list(dict.fromkeys([*letters, *(f"##{part}" for part in [*letters, *endings]), *(w for w in stems if w)]))


def words_of_sentences() -> list[str]:
    return sorted({word for sentence in SENTENCES for word in re.findall(r"\w+", sentence)})


def _letters() -> list[str]:
    return sorted({letter for sentence in SENTENCES for letter in sentence if not letter.isspace()})


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
