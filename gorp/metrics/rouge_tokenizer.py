"""Text as words for ROUGE, in any script.

On ASCII text these are the words of rouge-score's own tokenizer: runs of letters and digits in lower case, stemmed by
Porter where longer than three. That one drops all other letters, so that every Chinese text would score 0; here they
count: a run of letters, digits and marks is a word, and in scripts written without blanks each letter is one.
"""

import unicodedata
from functools import cached_property

import regex

UNSPACED = "".join(
    rf"\p{{{script}}}" for script in ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")
)
WORD = regex.compile(rf"[[{UNSPACED}]&&\p{{L}}]\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}]--[[{UNSPACED}]&&\p{{L}}]]+", regex.V1)


class Words:
    """A tokenizer for `rouge_score.rouge_scorer.RougeScorer`."""

    @cached_property
    def _stemmer(self):
        from nltk.stem.porter import PorterStemmer  # takes most of a second

        return PorterStemmer()

    def tokenize(self, text: str) -> list[str]:
        """The words of a text, after Unicode's NFKC (full-width letters become plain ones)."""
        words = WORD.findall(unicodedata.normalize("NFKC", text).lower())
        return [self._stemmer.stem(word) if len(word) > 3 and word.isascii() else word for word in words]
