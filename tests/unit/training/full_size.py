"""Checkpoints of the very shapes that are used for Indonesian, with random weights and made-up vocabularies.

Configurations as their model cards on the hub state them; what a vocabulary holds does not change shape or speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

from tiny import SPECIAL, pieces, random_weights, words_of_sentences, write_json
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AlbertConfig, AlbertModel, BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}


@dataclass(frozen=True)
class Shape:
    """How to write the checkpoint of a model into a folder, and the models of the hub that have its shape."""

    write: Callable[[Path], Path]
    models: tuple[str, ...]


def full_size_indobert(folder: Path) -> Path:
    """IndoBERT-base to the last number (124 million weights)."""
    return _bert(folder, words=30_521, config=BertConfig(vocab_size=50_000))


def _bert(folder: Path, *, words: int, config: BertConfig, lower: bool = True) -> Path:
    _vocabulary(folder, words, lower=lower)
    random_weights(BertModel(config)).save_pretrained(folder)
    return folder


def _albert(folder: Path) -> Path:
    """The lite one is an ALBERT that shares one layer's weights, with BERT's word pieces."""
    _vocabulary(folder, 30_000, lower=True)
    config = AlbertConfig(
        vocab_size=30_000, hidden_size=768, num_attention_heads=12, intermediate_size=3072, embedding_size=128
    )
    random_weights(AlbertModel(config)).save_pretrained(folder)
    return folder


def _xlm_roberta(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    known = dict.fromkeys(["▁", *("▁" + word for word in words_of_sentences()), *"abcdefghijklmnopqrstuvwxyz"])
    names = [*special, *_take([*known], _filler("▁"), 250_001 - len(special)), "<mask>"]
    tokenizer = Tokenizer(models.Unigram([(name, -float(4 + (at > 200))) for at, name in enumerate(names)], unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([*special, "<mask>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"tokenizer_class": "XLMRobertaTokenizer", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(folder / "tokenizer_config.json", {**about, "model_max_length": 512})
    config = XLMRobertaConfig(
        vocab_size=250_002,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        layer_norm_eps=1e-5,
    )
    random_weights(XLMRobertaModel(config)).save_pretrained(folder)
    return folder


SHAPES = {
    "indobert-base": Shape(full_size_indobert, ("indobenchmark/indobert-base-p1", "indobenchmark/indobert-base-p2")),
    "indobert-lite-base": Shape(
        _albert, ("indobenchmark/indobert-lite-base-p1", "indobenchmark/indobert-lite-base-p2")
    ),
    "indobert-large": Shape(
        lambda folder: _bert(folder, words=30_522, config=BertConfig(vocab_size=30_522, **_LARGE)),
        ("indobenchmark/indobert-large-p1", "indobenchmark/indobert-large-p2"),
    ),
    "indolem-base": Shape(
        lambda folder: _bert(folder, words=31_923, config=BertConfig(vocab_size=31_923)),
        ("indolem/indobert-base-uncased", "indolem/indobertweet-base-uncased", "LazarusNLP/NusaBERT-base"),
    ),
    "mbert": Shape(
        lambda folder: _bert(folder, words=119_547, config=BertConfig(vocab_size=119_547), lower=False),
        ("google-bert/bert-base-multilingual-cased",),
    ),
    "xlm-roberta-base": Shape(_xlm_roberta, ("FacebookAI/xlm-roberta-base",)),
}


def _vocabulary(folder: Path, number: int, *, lower: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    words = _take([*SPECIAL, *pieces(lower=lower)], _filler(), number)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"do_lower_case": lower, "model_max_length": 512})


def _filler(prefix: str = "") -> Iterable[str]:
    return (prefix + "".join(letters) for letters in product("abdegiklmnoprstu", repeat=5))


def _take(first: list[str], then: Iterable[str], number: int) -> list[str]:
    return list(islice(dict.fromkeys([*first, *islice(then, number)]), number))
