"""Texts that try to be more than a text."""

from __future__ import annotations

from hypothesis import strategies as st

#: Where an id, a name or a filter's value is a text that anybody may choose.
TEXTS = (
    "' or 1 eq 1 or '",
    "x' or PartitionKey ne '",
    "x') or (PartitionKey ge '",
    "''",
    "'''",
    "x'' or true",
    "a'b",
    "',RowKey='y",
    "')/x",
    "x&$filter=PartitionKey ne ''",
    "x&$top=1&NextPartitionKey=a",
    "%27 or 1 eq 1",
    "%2527",
    "100%",
    "+ +",
    "a b",
    "é\u200b\u202e",
    "\uff07 or 1 eq 1",  # apostrophes of other kinds: some services fold them
    "\u02bc or 1 eq 1",
    "\U0001f600'",
    "datetime'2020-01-01'",
    "null",
    "true",
    "$batch",
    "..",
    ".",
    ';,:@&=+$!*()[]{}|"<>`~',
)
#: The same with what keys may not hold, and what no text is too strange for.
ANYTHING = (*TEXTS, "a\r\nX-Evil: 1", "a\nb", "a\0b", "a/b", "a\\b", "a#b", "a?b", "../x", "\x7f")

#: Any text the wire can carry: without lone surrogates.
any_text = st.one_of(
    st.sampled_from(ANYTHING),
    st.text(max_size=30),
    st.text("' oreq1()%&", max_size=20),
    st.builds(lambda a, b: a + b, st.sampled_from(ANYTHING), st.text(max_size=8)),
)
#: Any text that a key may be.
key_text = any_text.map(
    lambda text: "".join(
        c for c in text if c not in "/\\#?" and not (ord(c) < 32 or 127 <= ord(c) < 160)
    )
)
