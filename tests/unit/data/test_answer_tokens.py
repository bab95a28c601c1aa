"""Prompt and answer of a decoder are the tokens of one text, whatever its tokenizer does about spaces."""

import random

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import gorp.prediction.predict
from gorp.data.prompts import PROMPT_END, render
from gorp.data.shots import drop_shots, without_first_shot
from gorp.data.tokenizers import load_tokenizer
from gorp.data.tokens import answer_ids, tokenize
from gorp.models.loading import load_base
from gorp.prediction.decoding import Batch, label_log_likelihoods
from gorp.prediction.predict import predict
from gorp.train.stage import train_stage
from gorp.util.files import read_jsonl, write_jsonl

ANSWERS = [
    "Artist",
    "Good",
    " Good",
    "42",
    "7 trains",
    ":)",
    "two\nlines",
    "\nlater",
    "\u4e2d\u6587 \u540d",
    "\U0001f600",
    "na\u00efve",
]
TEXTS = [f"A text on {answer}, as in 1984.\nAnswer: {answer}" for answer in ANSWERS] * 3
GPT4 = r"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def byte_level(**options):
    return pre_tokenizers.ByteLevel(**{"add_prefix_space": False, **options})


def built(pre=None, normalizer=None, decoder=None, texts=TEXTS, kind="BPE", bos=True, eos=False):
    """A tokenizer trained on the spot; with `bos`, `eos` it adds such a token to what it reads."""
    special = {"pad_token": "<pad>", "eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>"}
    model = models.BPE() if kind == "BPE" else models.Unigram()
    tokenizer = Tokenizer(model)
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre
    tokenizer.decoder = decoder or decoders.ByteLevel()
    options = {"special_tokens": list(special.values()), "vocab_size": 700, "show_progress": False}
    if kind == "BPE":
        alphabet = pre_tokenizers.ByteLevel.alphabet() if decoder is None else []
        trainer = trainers.BpeTrainer(initial_alphabet=alphabet, **options)
    else:
        trainer = trainers.UnigramTrainer(unk_token="<unk>", **options)
    tokenizer.train_from_iterator(texts, trainer)
    template = f"{'<s> ' if bos else ''}$A{' </s>' if eos else ''}"
    ids = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special, clean_up_tokenization_spaces=False)


def sentencepiece_like(**options):
    """As Llama 2 has it: no word is cut out, a space is the letter U+2581, and one is put before the text."""
    replace = [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    return {"normalizer": normalizers.Sequence(replace), "decoder": decoders.Metaspace(), **options}


def over_words():
    """Byte-level BPE that cuts no words out, so that it learns tokens that reach from the prompt into the answer."""
    return built(byte_level(use_regex=False))


TOKENIZERS = {
    "gpt2": lambda: built(byte_level(), bos=False),
    "llama3": lambda: built(
        pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(GPT4), "isolated"), byte_level(use_regex=False)])
    ),
    "smollm2": lambda: built(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()])),
    "prefix": lambda: built(byte_level(add_prefix_space=True)),
    # each word stands alone in what it is trained on, as in SentencePiece
    "llama2": lambda: built(**sentencepiece_like(texts=[word for text in TEXTS for word in text.split()])),
    "unigram": lambda: built(pre_tokenizers.Metaspace(), decoder=decoders.Metaspace(), kind="unigram"),
    "eos": lambda: built(byte_level(), eos=True),
}


@pytest.fixture(scope="module")
def tokenizers():
    return {name: make() for name, make in TOKENIZERS.items()}


def rows_of(answers, labels=()):
    rows = [{"label": answer, "sentence": f"A text on {answer}, as in 1984."} for answer in answers]
    return [render(row, i, "kinds", "TC", "Which?\n", labels) for i, row in enumerate(rows)]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_prompt_and_answer_are_the_tokens_of_the_whole_text(tokenizers, name):
    tokenizer, rows = tokenizers[name], rows_of(ANSWERS)
    for row, example in zip(rows, tokenize(rows, tokenizer, 512, 50, decoder_only=True), strict=True):
        whole = tokenizer(f"{row['source']} {row['target']}")["input_ids"]
        expected = [*whole, tokenizer.eos_token_id] if name != "eos" else whole
        assert row["source"].endswith(PROMPT_END)
        assert example.source + example.target == expected, row["target"]
        assert example.source.count(tokenizer.bos_token_id) == (name != "gpt2")
        assert (example.source + example.target).count(tokenizer.eos_token_id) == 1


@pytest.mark.parametrize("name", ["prefix", "llama2", "unigram"])
def test_tokenizers_that_put_a_space_themselves_give_an_answer_the_tokens_that_it_has_alone(tokenizers, name):
    plain = [answer for answer in ANSWERS if not answer[0].isspace()]
    assert answer_ids(tokenizers[name], plain, True) == answer_ids(tokenizers[name], plain, False)
    assert answer_ids(tokenizers["gpt2"], plain, True) != answer_ids(tokenizers["gpt2"], plain, False)


def test_an_encoder_decoder_starts_with_its_answer(tokenizers):
    tokenizer = tokenizers["eos"]
    (example,) = tokenize(rows_of(["Good"]), tokenizer, 512)
    assert example.source[-1] == tokenizer.eos_token_id, "what its encoder reads is left as its tokenizer has it"
    assert example.target == tokenizer("Good")["input_ids"][1:]


def test_a_token_that_reaches_from_the_prompt_into_the_answer_is_not_used():
    """The prompt is read before the answer is known: it ends with its own tokens in training too."""
    tokenizer = over_words()
    rows = rows_of(["Artist", "Good", "two\nlines"])
    crossed = 0
    for row, example in zip(rows, tokenize(rows, tokenizer, 512, decoder_only=True), strict=True):
        prompt, whole = (tokenizer(text)["input_ids"] for text in (row["source"], f"{row['source']} {row['target']}"))
        crossed += whole[: len(prompt)] != prompt
        assert example.source == prompt
        assert example.target == [*tokenizer(f" {row['target']}")["input_ids"][1:], tokenizer.eos_token_id]
    assert crossed == 3
    together = sentencepiece_like(texts=TEXTS)  # a space is put by the tokenizer
    found = answer_ids(built(**together), ["Artist"], True)
    assert found == answer_ids(built(**together), ["Artist"], False)


@pytest.fixture(scope="module")
def decoder(tokenizers, tmp_path_factory):
    """(folder of a random LLaMA whose tokenizer is like that of Llama 3, rows, the file that holds them)."""
    folder = tmp_path_factory.mktemp("decoder")
    tokenizer = tokenizers["llama3"]
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    LlamaForCausalLM(LlamaConfig(**sizes, **ids, initializer_range=0.2)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    labels = ["Artist", "Good", "42", "7 trains", "Goodness"]
    rows = rows_of(labels, labels)
    write_jsonl(folder / "rows.jsonl", rows)
    return str(folder), rows, folder / "rows.jsonl"


def test_training_and_prediction_read_the_same_prompts_and_answers(decoder, tmp_path, monkeypatch, micros):
    """What reaches the model, each way."""
    folder, rows, file = decoder
    prompts, likelihoods = [], []
    batch, chosen = gorp.prediction.predict.Batch, gorp.prediction.predict.likeliest

    def reading(model, sources, pad):
        prompts.extend(map(tuple, sources))
        return batch(model, sources, pad)

    def judging(batch, labels):
        likelihoods.append(labels)
        return chosen(batch, labels)

    monkeypatch.setattr(gorp.prediction.predict, "Batch", reading)
    monkeypatch.setattr(gorp.prediction.predict, "likeliest", judging)
    trained, original = [], gorp.train.loop.collate
    monkeypatch.setattr(
        gorp.train.loop, "collate", lambda examples, *rest: trained.extend(examples) or original(examples, *rest)
    )
    train_stage(folder, file, tmp_path / "stage", "seqlora", micros["llama"].settings("seqlora"), 1, None)
    predict(folder, tmp_path / "stage", [file], tmp_path / "out", 512, 3, 10**6, label_likelihood=True)
    by_prompt = {tuple(example.source): example.target for example in trained}
    assert set(prompts) == set(by_prompt)
    tokenizer = load_tokenizer(folder)
    for row, target in zip(rows, likelihoods[0], strict=True):
        assert target == by_prompt[tuple(tokenizer(row["source"])["input_ids"])]


@torch.no_grad()
def test_the_likelihood_of_a_label_is_that_of_the_plain_text(decoder, tmp_path):
    """From one forward pass over the tokens of the whole text and the end, for each label."""
    folder, rows, file = decoder
    model, tokenizer = load_base(folder)
    predict(folder, None, [file], tmp_path / "out", 512, 1, 10**6, label_likelihood=True)
    sources = [example.source for example in tokenize(rows, tokenizer, 512, decoder_only=True)]
    labels = answer_ids(tokenizer, rows[0]["labels"], True)
    scores = label_log_likelihoods(Batch(model, sources, tokenizer.pad_token_id), labels)
    expected = torch.zeros_like(scores)
    for i, row in enumerate(rows):
        prompt = len(tokenizer(row["source"])["input_ids"])
        for j, label in enumerate(row["labels"]):
            ids = tokenizer(f"{row['source']} {label}</s>", return_tensors="pt")["input_ids"]
            logits = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
            expected[i, j] = logits.gather(1, ids[0, 1:, None])[prompt - 1 :].sum()
    torch.testing.assert_close(scores, expected, atol=1e-4, rtol=0)
    chosen = [row["labels"][number] for row, number in zip(rows, expected.argmax(1).tolist(), strict=True)]
    assert [row["likeliest_label"] for row in read_jsonl(tmp_path / "out")] == chosen


@pytest.mark.parametrize("name", ["gpt2", "llama2", "over words"])
def test_examples_are_dropped_as_if_prompts_were_read_one_by_one(tokenizers, name):
    tokenizer = over_words() if name == "over words" else tokenizers[name]
    rng, rows = random.Random(3), []
    texts = [f" {text[: rng.randrange(20, 60)]}\n" * rng.randint(1, 9) for text in TEXTS]
    for _ in range(24):
        shots = [{"label": "Good", "sentence": text} for text in rng.choices(texts, k=3)]
        row = {"label": "Good", "sentence": rng.choice(texts)}
        rows.append(render(row, 0, "kinds", "TC", "Which?\n", ["Good", "Artist"], shots))
    lengths = sorted(len(tokenizer(row["source"])["input_ids"]) for row in rows)
    kept = set()
    for limit in lengths[:: len(lengths) // 5]:
        for row, found in zip(rows, drop_shots(rows, tokenizer, limit), strict=True):
            expected = row
            while expected["shots_at"] and len(tokenizer(expected["source"])["input_ids"]) > limit:
                expected = without_first_shot(expected)
            assert found == expected
            kept.add(len(found["shots_at"]))
    assert kept == {0, 1, 2, 3}
