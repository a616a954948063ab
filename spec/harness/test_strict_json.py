"""What the standard reader of JSON accepts and would only fail later is refused, with the name of the field."""

import pytest

from harness import strict_json

DEEP = 100_000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": {"b": NaN}}', "'b' is not a finite number"),
        ('{"a": [1, [-Infinity]]}', "'a' is not a finite number"),
        ('{"a": 1e999}', "'a' is not a finite number"),
        (f'{{"a": {"9" * 5000}}}', "'a' is not a finite number"),
        (f'{{"a": -{"9" * 400}}}', "'a' is not a finite number"),
        ("Infinity", "'it' is not a finite number"),
        ('{"a": 1, "b": 2, "a": 1}', "'a' is given twice"),
        ('{"a": "\\u001b[2J"}', "'a' is not printable text"),
        ('{"a": ["\\ud800"]}', "'a' is not printable text"),
        ('{"a": "one\\ntwo"}', "'a' is not printable text"),
        ('{"a": {"\\u202e": 1}}', "a key in 'a' is not a printable name"),
        ("[" * DEEP + "]" * DEEP, "it is nested too deeply"),
        ('{"a": "' + "x" * 1001 + '"}', "'a' is not printable text of at most 1000 characters"),
    ],
)
def test_what_is_not_strict_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}"):
        strict_json.parse(text)


@pytest.mark.parametrize("raw", [b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"", b"\x00" * 9, b"{"])
def test_what_is_no_text_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        strict_json.parse(raw)


def test_what_is_strict_is_read_as_it_is() -> None:
    text = '{"a": [1, -2.5, 1e30, true, null, "é"], "b": ' + "9" * 300 + "}"
    assert strict_json.parse(text) == {"a": [1, -2.5, 1e30, True, None, "é"], "b": 10**300 - 1}


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [], 10**12, 10**21, -1])
def test_a_whole_number_is_one_within_its_bounds(value: object) -> None:
    with pytest.raises(ValueError, match="'epoch' is not a whole number from 0 to 9"):
        strict_json.whole({"epoch": value}, "epoch", 0, 10)
