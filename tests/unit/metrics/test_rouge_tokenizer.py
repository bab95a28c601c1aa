"""Words for ROUGE: as rouge-score has them on ASCII text, and something on every other."""

import random
import string

import pytest
from rouge_score.tokenizers import DefaultTokenizer

from gorp.metrics.rouge_tokenizer import Words


def test_ascii_text_has_the_words_of_rouge_score():
    rng = random.Random(0)
    signs = string.printable + "  aeiou running flies" * 3
    texts = ["".join(rng.choices(signs, k=60)) for _ in range(300)] + [
        "The cats' running, 3rd_place; U.S.A. generously!"
    ]
    expected = DefaultTokenizer(use_stemmer=True)
    for text in texts:
        assert Words().tokenize(text) == expected.tokenize(text), text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我喜欢Python3。很好!", ["我", "喜", "欢", "python3", "很", "好"]),
        ("東京タワーへ", ["東", "京", "タ", "ワ", "ー", "へ"]),
        ("ＡＢＣ １２", ["abc", "12"]),
        ("Das Café, über_den", ["das", "café", "über", "den"]),
        ("Cafe\u0301", ["café"]),
        ("los años", ["los", "años"]),  # stems are English
        ("Привет, мир", ["привет", "мир"]),
        ("हिन्दी में", ["हिन्दी", "में"]),  # vowel signs stay in their words
        ("서울은 좋다", ["서울은", "좋다"]),  # Korean has blanks
        ("ไม่ดี", ["ไ", "ม่", "ดี"]),
        ("?!。、", []),
        ("", []),
    ],
)
def test_other_scripts(text, expected):
    assert Words().tokenize(text) == expected
