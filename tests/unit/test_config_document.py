"""YAML text becomes plain values with their places; what YAML has beyond that is refused."""

import pytest

from gateway.config.document import read
from gateway.config.problems import Place


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read(text, "gw.yaml", str).problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("off", "off"),
        ("'off'", "off"),
        ("yes", "yes"),
        ("true", True),
        ("FALSE", False),
        ("'true'", "true"),
        ("null", None),
        ("~", None),
        ("", None),
        ("''", ""),
        ("010", 10),
        ("-3", -3),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".nan", ".nan"),
        (".inf", ".inf"),
        ("9" * 30, 1e30),
        ("55s", "55s"),
        ("2026-01-01", "2026-01-01"),
        ("|\n  text\n", "text\n"),
        ("[1, [a]]", [1, ["a"]]),
        ("{a: {}}", {"a": {}}),
    ],
)
def test_value_is_what_yaml_1_2_says(written: str, value: object) -> None:
    document = read(f"key: {written}\n", "gw.yaml", str)
    assert document.content == {"key": value}
    assert not document.problems


def test_words_mean_the_same_whatever_version_the_file_names() -> None:
    assert read("%YAML 1.1\n---\nkey: off\n", "gw.yaml", str).content == {"key": "off"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "--- null\n...\n", "\ufeff", "{}", "\n\n"])
def test_empty_file_is_an_empty_mapping(text: str) -> None:
    document = read(text, "gw.yaml", str)
    assert document.content == {}
    assert not document.problems


def test_every_key_and_value_has_its_place() -> None:
    document = read("\ufeffa:\n  b: [x,\n    'y']\nc:\nd: 1\n", "gw.yaml", str)
    assert document.keys == {
        ("a",): Place(1, 1),
        ("a", "b"): Place(2, 3),
        ("c",): Place(4, 1),
        ("d",): Place(5, 1),
    }
    assert document.values == {
        (): Place(1, 1),
        ("a",): Place(2, 3),
        ("a", "b"): Place(2, 6),
        ("a", "b", 0): Place(2, 7),
        ("a", "b", 1): Place(3, 5),
        ("c",): Place(4, 1),  # nothing stands there: the place of the key
        ("d",): Place(5, 4),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\na: 2\n", ["gw.yaml:2:1: a: the key is there already, in line 1; keep one of them"]),
        (
            "a: {b: 1,\n  b: {c: *x, d: [e]}, f: 2}\n",
            ["gw.yaml:2:3: a.b: the key is there already, in line 1; keep one of them"],
        ),
        (
            "5\n",
            ["gw.yaml:1:1: the file must hold a mapping of keys; write `key: value` lines, such as wait:"],
        ),
        (
            "- a\n",
            ["gw.yaml:1:1: the file must hold a mapping of keys; write `key: value` lines, such as wait:"],
        ),
        (
            "a: &x 1\nb: *x\n",
            [
                (
                    "gw.yaml:1:4: a: anchors (&name) are not supported; "
                    "quote a text that begins with &, or remove the anchor"
                ),
                (
                    "gw.yaml:2:4: b: aliases (*name) are not supported; "
                    "quote a text that begins with *, or write it out"
                ),
            ],
        ),
        (
            "hosts:\n  - *.sharepoint.com\n",
            [
                (
                    "gw.yaml:2:5: hosts[0]: aliases (*name) are not supported; "
                    "quote a text that begins with *, or write it out"
                )
            ],
        ),
        ("a:\n  <<: {b: 1}\n", ["gw.yaml:2:3: a: merge keys (<<) are not supported; write the keys out"]),
        (
            "a: !secret x\n",
            [
                (
                    "gw.yaml:1:4: a: tags (!name) are not supported; "
                    "quote a text that begins with !, or remove the tag"
                )
            ],
        ),
        (
            "a: !!python/object/apply:os.system [id]\n",
            [
                (
                    "gw.yaml:1:4: a: tags (!name) are not supported; "
                    "quote a text that begins with !, or remove the tag"
                )
            ],
        ),
        (
            "[a]: 1\n{b: {c: 1}}: {d: 2}\n",
            [
                "gw.yaml:1:1: a key must be a word; write `key: value`, and quote a value in brackets",
                "gw.yaml:2:1: a key must be a word; write `key: value`, and quote a value in brackets",
            ],
        ),
        (
            "a: 1\n--- \nb: 2\n",
            ["gw.yaml:2:1: a second document begins here; keep one document and remove this line"],
        ),
        (
            'a: "x\\0"\n',
            ["gw.yaml:1:4: a: the character '\\x00' (U+0000) may not stand in a text; remove it"],
        ),
        (
            'a: "\\ud800"\n',
            ["gw.yaml:1:4: a: the character '\\ud800' (U+D800) may not stand in a text; remove it"],
        ),
        ('"\\e": 1\n', ["gw.yaml:1:1: the character '\\x1b' (U+001B) may not stand in a text; remove it"]),
        (
            "a" + "b" * 100 + " c: {1: *x}\n",
            [
                "gw.yaml:1:110: 'a" + "b" * 59 + "…'.1: aliases (*name) are not supported; "
                "quote a text that begins with *, or write it out"
            ],
        ),
    ],
)
def test_what_is_not_supported_is_told_with_its_place(text: str, told: list[str]) -> None:
    assert problems(text) == told


def test_alias_bomb_stays_small() -> None:
    levels = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40))]
    document = read("\n".join(levels), "gw.yaml", str)
    assert sum(len(items) for items in document.content.values()) == 2


def test_value_with_a_problem_is_left_out_and_marked() -> None:
    document = read("a: {b: *x, c: 1}\n", "gw.yaml", str)
    assert document.content == {"a": {"c": 1}}
    assert document.doubtful == {("a", "b")}
