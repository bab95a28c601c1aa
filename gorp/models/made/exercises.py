"""Reading exercises for the embedded base models: prompts in the benchmark's form, the answer one of the options."""

import random
import re
from collections import Counter
from collections.abc import Sequence

from transformers import PreTrainedTokenizerFast

from gorp.data.tokens import Example

WORD = re.compile(r"[A-Za-z]{4,}")
LONGEST_TEXT = 150  # characters
KINDS, KIND_WORDS = 150, 300
QUESTIONS = {
    "first": "Which option comes first? Pick one option.\n",
    "last": "Which option comes last? Pick one option.\n",
    "word": "Task:Reading\nDataset:words\nWhich word is in the text? Pick one option.\n",
    "kind": "Task:Reading\nDataset:kinds\nWhich kind fits? Pick one option.\n",
}


class Reader:
    """Makes exercises from texts; no answer is a word of a label (`label_words`, in small letters)."""

    def __init__(
        self, texts: Sequence[str], label_words: set[str], tokenizer: PreTrainedTokenizerFast, rng: random.Random
    ):
        counts = Counter(word for text in texts for word in set(WORD.findall(text)) if word.lower() not in label_words)
        self.words = sorted(
            word for word, count in counts.items() if count >= 5 and len(tokenizer(word)["input_ids"]) == 1
        )
        known = rng.sample([word for word in self.words if 25 <= counts[word] <= 900], KIND_WORDS)
        names = rng.sample(sorted(set(self.words) - set(known)), KINDS)
        self.kinds = {word: rng.choice(names) for word in known}
        self.texts = [text for text in texts if len(text) <= LONGEST_TEXT and self.present(text)]
        self.tokenizer, self.rng = tokenizer, rng

    def present(self, text: str) -> list[str]:
        """The kinds that the words of a text have."""
        return [self.kinds[word] for word in WORD.findall(text) if word in self.kinds]

    def batch(self, kind: str, size: int) -> list[Example]:
        """`size` exercises of a kind: "place", "word" or "kind"."""
        pairs = [getattr(self, kind)(self.rng.choice(self.texts)) for _ in range(size)]
        sources = self.tokenizer([source for source, _ in pairs])["input_ids"]
        targets = self.tokenizer([answer for _, answer in pairs])["input_ids"]
        return [Example(s, [*t, self.tokenizer.eos_token_id]) for s, t in zip(sources, targets, strict=True)]

    def place(self, text: str) -> tuple[str, str]:
        """The first or the last of options of one or two words, before the beginning of a text."""
        rng = self.rng
        options = [" ".join(rng.sample(self.words, rng.choice((1, 1, 2)))) for _ in range(rng.randint(2, 9))]
        question, answer = rng.choice((("first", options[0]), ("last", options[-1])))
        return prompt(QUESTIONS[question], options, " ".join(text.split()[: rng.randint(1, 12)])), answer

    def word(self, text: str) -> tuple[str, str]:
        """The option that is a word of the text; half of the texts are a few of its words alone."""
        rng = self.rng
        own = [word for word in WORD.findall(text) if word in self.words]
        answer = rng.choice(own)
        options = self.mixed(answer, [word for word in rng.sample(self.words, 7) if word not in text], 2)
        if rng.random() < 0.5:
            text = " ".join(rng.sample([answer, *own[:5]], len(own[:5]) + 1))
        return prompt(self.head("word"), options, text), answer

    def kind(self, text: str) -> tuple[str, str]:
        """The option that is the kind of a word in the text."""
        present = self.present(text)
        answer = self.rng.choice(present)
        names = self.rng.sample(sorted(set(self.kinds.values())), 8)
        options = self.mixed(answer, [name for name in names if name not in present and name not in text], 3)
        return prompt(self.head("kind"), options, text), answer

    def mixed(self, answer: str, others: list[str], least: int) -> list[str]:
        """The answer at a random place among some of the others."""
        options = others[: self.rng.randint(least, 8)]
        options.insert(self.rng.randint(0, len(options)), answer)
        return options

    def head(self, kind: str) -> str:
        """The task and the question, left out in three of four: what they say can be seen from the options."""
        return QUESTIONS[kind] if self.rng.random() < 0.25 else ""


def prompt(head: str, options: Sequence[str], text: str) -> str:
    """An exercise as the model reads it, in the form of `gorp.data.prompts.render`."""
    return f"{head}Option: {', '.join(options)} \n{text}\nAnswer:"
