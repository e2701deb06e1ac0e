"""clean: blanks out what is no text, without moving a single character."""

from __future__ import annotations

import html
import re
import unicodedata

_APOSTROPHES = "\u2018\u2019\u201a\u201b\u02bc\u02b9\u02bb\u2032\u00b4\u0060"
_QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_SMALL_CAPITALS = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True))
_LETTER_SIGNS = (0x1F150, 0x1F170)  # white letters in a black circle or square: no NFKC form, 26 each

_CONTINUATION = "".join(
    byte.decode("cp1252", errors="ignore") or byte.decode("latin-1") for byte in (bytes([n]) for n in range(0x80, 0xC0))
)
_MOJIBAKE = re.compile(
    f"[\u00c2-\u00df][{re.escape(_CONTINUATION)}]"
    f"|[\u00e0-\u00ef][{re.escape(_CONTINUATION)}]{{2}}"
    f"|[\u00f0-\u00f4][{re.escape(_CONTINUATION)}]{{3}}"
    "|\u00c2(?= )"
)
_ESCAPE = re.compile(r"&(?:[A-Za-z]{2,8}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});|\\[nrt]")
_TAG = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|body|br|center|code|div|em|font|form|h[1-6]|head|hr|html|i|iframe|img|input|label|li"
    r"|link|meta|o:p|ol|option|p|pre|s|script|section|small|span|strike|strong|style|sub|sup|table|tbody|td|th|thead"
    r"|title|tr|tt|u|ul)(?:[\s/][^<>]{0,300})?>|<!--[^<>]{0,300}-->",
    re.IGNORECASE,
)
_ODD = re.compile(r"[^\n -_a-~]")


class _Fold(dict[int, str]):
    """Code point to the one character that stands for it; filled as characters turn up."""

    def __missing__(self, code: int) -> str:
        char = _fold(chr(code))
        self[code] = char
        return char


def _fold(char: str) -> str:
    if "!" <= char <= "~" and char != "`":
        return char
    if char in "\n\r\u2028\u2029":
        return "\n"
    if char in _APOSTROPHES:
        return "'"
    if char in _QUOTES:
        return '"'
    if char in _DASHES:
        return "-"
    if char == "…":
        return "."
    if char in _SMALL_CAPITALS:
        return _SMALL_CAPITALS[char]
    for first in _LETTER_SIGNS:
        if 0 <= ord(char) - first < 26:
            return chr(ord("A") + ord(char) - first)
    if unicodedata.category(char) == "Nd":
        return str(unicodedata.digit(char))
    base = unicodedata.normalize("NFKD", char)
    if base != char and base[0].isascii() and all(unicodedata.combining(c) for c in base[1:]):
        return base[0]
    plain = unicodedata.normalize("NFKC", char)
    if len(plain) == 1:
        char = plain
    category = unicodedata.category(char)
    if category[0] in "CZM" or category in ("Sk", "So"):
        return char if char == "°" else " "
    return char


_FOLD = _Fold()


def clean(text: str) -> str:
    """The text with everything that is no text blanked out; as long as its input, so offsets hold.

        clean("Jln <b>rusak</b>&nbsp;\u201cparah\u201d") -> 'Jln    rusak          "parah"'

    On top of `fold`, HTML tags become blank. Never raises.
    """
    return blank_tags(fold(text))


def blank_tags(text: str) -> str:
    """The text with HTML tags and comments blanked out; as long as its input."""
    return _TAG.sub(lambda match: " " * len(match.group()), text) if "<" in text else text


def fold(text: str) -> str:
    """The text in plain characters; as long as its input.

    Blank become: control characters, zero-width marks, emoji, a literal backslash with n, r or t. HTML entities
    and wrongly decoded UTF-8 (such as \u00e2\u20ac\u2122) become the character they stand for, padded with blanks.
    Full-width, mathematical and accented Latin letters and foreign digits become plain ones, curly quotes
    straight, any line break a line feed. Case, digits and punctuation stay. Never raises.
    """
    if not text.isascii():
        text = _MOJIBAKE.sub(_repair, text)
    if _ODD.search(text):
        text = text.replace("\r\n", " \n").translate(_FOLD)
    if "&" in text or "\\" in text:
        text = _ESCAPE.sub(_plain, text)
    return text


def is_binary_like(text: str) -> bool:
    """Whether the text looks like a decoded file: over a tenth of control or replacement characters.

    is_binary_like("\\x00\\x01PK\\x03\\x04") -> True
    """
    odd = sum(c == "\ufffd" or (c < " " and c not in "\t\n\r") for c in text)
    return odd * 10 > len(text)


def _repair(match: re.Match[str]) -> str:
    raw = match.group()
    if len(raw) == 1:
        return " "
    try:
        char = b"".join(_byte(c) for c in raw).decode("utf-8")
    except UnicodeDecodeError:
        return raw
    return _FOLD[ord(char)] + " " * (len(raw) - 1)


def _byte(char: str) -> bytes:
    try:
        return char.encode("cp1252")
    except UnicodeEncodeError:
        return char.encode("latin-1")


def _plain(match: re.Match[str]) -> str:
    raw = match.group()
    if raw[0] == "&":
        char = html.unescape(raw)
        if len(char) == 1:
            return _FOLD[ord(char)] + " " * (len(raw) - 1)
        if char == raw:
            return raw
    return " " * len(raw)
