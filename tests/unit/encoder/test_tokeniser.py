from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from lapor_nlp.encoder.encoder import EncoderSettings
from lapor_nlp.encoder.tokeniser import Tokeniser
from lapor_nlp.errors import BundleError

NUMBERS = [str(n) for n in range(100)]


def tokenizer(*, ends: bool = True) -> Tokenizer:
    """Knows the numbers up to 99 as tokens of that number plus 4."""
    made = Tokenizer(
        models.WordLevel({"<pad>": 0, "<s>": 1, "</s>": 2, "?": 3, **{n: 4 + int(n) for n in NUMBERS}}, "?")
    )
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    if ends:
        made.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 1))
        made.add_special_tokens(["<s>", "</s>"])
    return made


def tokeniser(longest: int = 10, head_share: float = 0.75, prefix: str = "", *, ends: bool = True) -> Tokeniser:
    settings = EncoderSettings(dimension=1, longest=longest, head_share=head_share, prefix=prefix)
    return Tokeniser(tokenizer(ends=ends), settings)


def counting(number: int) -> str:
    return " ".join(NUMBERS[:number])


def test_a_text_that_fits_is_read_whole() -> None:
    tokenised = tokeniser()([counting(3), counting(8)])
    assert tokenised.ids == [[1, 4, 5, 6, 2], [1, *range(4, 12), 2]]
    assert tokenised.truncated.tolist() == [False, False]


def test_a_longer_one_loses_its_middle() -> None:
    tokenised = tokeniser()([counting(9), counting(50)])
    assert tokenised.truncated.tolist() == [True, True]
    assert tokenised.ids[0] == [1, 4, 5, 6, 7, 8, 9, 11, 12, 2]
    assert tokenised.ids[1] == [1, 4, 5, 6, 7, 8, 9, 52, 53, 2]


@pytest.mark.parametrize(("share", "kept"), [(1.0, [4, 5, 6, 7]), (0.0, [50, 51, 52, 53]), (0.5, [4, 5, 52, 53])])
def test_the_share_of_the_beginning(share: float, kept: list[int]) -> None:
    assert tokeniser(longest=6, head_share=share)([counting(50)]).ids == [[1, *kept, 2]]


def test_the_prefix_is_read_first() -> None:
    assert tokeniser(prefix="9 ")([counting(50)]).ids[0][:3] == [1, 13, 4]


@given(st.lists(st.sampled_from(NUMBERS), max_size=40), st.integers(4, 30), st.floats(0, 1))
def test_never_too_long_and_nothing_made_up(words: list[str], longest: int, share: float) -> None:
    ids = tokeniser(longest=longest, head_share=share)([" ".join(words)]).ids[0]
    whole = [1, *(4 + int(word) for word in words), 2]
    assert len(ids) == min(len(whole), longest)
    assert any(ids == [*whole[:cut], *whole[len(whole) - len(ids) + cut :]] for cut in range(1, len(ids)))


def test_without_special_tokens() -> None:
    tokenised = tokeniser(longest=4, ends=False)([counting(9), ""])
    assert tokenised.ids == [[4, 5, 6, 12], [0]]


def test_settings_of_the_tokenizer_do_not_interfere() -> None:
    given = tokenizer()
    given.enable_truncation(3)
    given.enable_padding(length=20)
    ours = Tokeniser(given, EncoderSettings(dimension=1))
    given.enable_truncation(2)
    assert ours([counting(5)]).ids == [[1, 4, 5, 6, 7, 8, 2]]


def test_no_texts() -> None:
    assert tokeniser()([]).ids == []


def test_size() -> None:
    assert tokeniser().size == 104


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"tokenizer\.json: is missing"):
        Tokeniser.load(tmp_path / "tokenizer.json", EncoderSettings(dimension=1))


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"model": {"type": "Unknown"}}'])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"tokenizer\.json: is no tokenizer"):
        Tokeniser.load(path, EncoderSettings(dimension=1))
