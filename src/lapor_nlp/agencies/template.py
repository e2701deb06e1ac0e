"""Template: a text with {fields} that are filled later."""

from __future__ import annotations

from string import Formatter


def fields(text: str) -> frozenset[str]:
    """The names of the fields of a text.

    fields("Dinas Sosial {wilayah}") -> {"wilayah"}

    Raises ValueError for a lone brace and for a field with a format (`{wilayah:>9}`).
    """
    found = set()
    for _, field, spec, conversion in Formatter().parse(text):
        if spec or conversion:
            raise ValueError(f"the field {field} takes no format")
        if field is not None:
            found.add(field)
    return frozenset(found)
