"""What the model is trained on: passages of the novels, and chats cut out of sentences that follow each other."""

import random
import re

import numpy as np

import gemma3_gguf as g3
from words import Words

LONGEST_SENTENCE = 45  # words; longer ones are beyond so small a model
ENOUGH = 200  # tokens, after which a document is not continued
NO_ABBREVIATION = r"(?<!Mr\.)(?<!Mrs\.)(?<!Dr\.)(?<!Miss\.)(?<!St\.)(?<!Esq\.)"
SENTENCE_END = r"(?<=[.!?])" + NO_ABBREVIATION + r'\s+(?=["A-Z])|(?<=[.!?]")\s+(?=["A-Z])'

QUESTIONS = [
    "Hello", "Hello!", "Hi", "Hello, how are you?", "Who are you?", "Write a story.", "Tell me a story.",
    "Write a short story.", "What happened next?", "Go on.", "Continue.", "Please continue.", "And then?", "Why?",
    "What do you think?", "Say something.", "Tell me more.", "Count to ten.", "Say hello.", "Write a long text.",
    "Write a paragraph.", "Write one sentence.", "Summarize this.", "What is this?",
]  # fmt: skip
QUESTIONS_ABOUT = [
    "Tell me about {}.", "Write about {}.", "What is {}?", "What do you know about {}?", "Explain {}.",
    "Write a story about {}.", "Describe {} in a few words.", "Why {}?", "Say something about {}.", "{}", "{}?",
]  # fmt: skip


class Document:
    """Ids, and how much each of them counts in the loss."""

    def __init__(self) -> None:
        self.ids, self.weights = [g3.BOS], [1.0]

    def add(self, ids: list[int], weight: float = 1.0) -> None:
        self.ids.extend(ids)
        self.weights.extend([weight] * len(ids))


class Documents:
    def __init__(self, paragraphs: list[str], words: Words, seed: int) -> None:
        self.words, self.random = words, random.Random(seed)
        self.sentences: list[str | None] = []  # None: a paragraph's end
        for p in paragraphs:
            keep = [s for s in re.split(SENTENCE_END, p) if s and len(s.split()) <= LONGEST_SENTENCE]
            if keep:
                self.sentences += [*keep, None]

    def batch(self, rows: int, tokens: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids and weights, [rows][tokens + 1], of documents that follow each other."""
        ids, weights = np.zeros((rows, tokens + 1), np.int32), np.zeros((rows, tokens + 1), np.float32)
        for row in range(rows):
            x, w = [], []
            while len(x) <= tokens:
                d = self._document()
                x += d.ids
                w += d.weights
            ids[row], weights[row] = x[: tokens + 1], w[: tokens + 1]
        return ids, weights

    def _document(self) -> Document:
        d, at = Document(), self.random.randrange(len(self.sentences) - 200)
        if self.random.random() < 0.3:
            self._passage(d, at)
        else:
            self._chat(d, at)
        d.add([g3.EOS])
        return d

    def _passage(self, d: Document, at: int) -> None:
        for _ in range(self.random.choice([1, 1, 2, 3, 4])):
            text, at = self._some(self._next(at), 20)
            d.add(self.words.encode(text + "\n"))
            if len(d.ids) > ENOUGH:
                break

    def _chat(self, d: Document, at: int) -> None:
        newline = self.words.newline
        if self.random.random() < 0.1:
            d.add([g3.START_OF_TURN])
            d.add(self.words.encode("system\nYou are a helpful assistant."), 0.0)
            d.add([g3.END_OF_TURN, newline])
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            question, weight, answer, at = self._exchange(self._next(at))
            d.add([g3.START_OF_TURN])
            d.add(self.words.encode("user\n" + question), weight)
            d.add([g3.END_OF_TURN, newline, g3.START_OF_TURN])
            d.add(self.words.encode("model\n" + answer))
            d.add([g3.END_OF_TURN, newline])
            if len(d.ids) > ENOUGH or at >= len(self.sentences) - 20:
                break

    def _exchange(self, at: int) -> tuple[str, float, str, int]:
        """A question, how much it counts, its answer, and where the text goes on."""
        way, length = self.random.random(), min(8, 1 + int(self.random.expovariate(0.45)))
        if way < 0.45:  # sentences, and those after them
            question, at = self._some(at, self.random.choice([1, 1, 2]))
            answer, at = self._some(self._next(at, len(self.sentences) - 1), length)
            return question, 1.0, answer, at
        if way < 0.6 and len(self.sentences[at].split()) > 8:  # a sentence cut in two
            whole, at = self._some(at, length)
            parts = whole.split(" ")
            cut = self.random.randrange(2, 7)
            return " ".join(parts[:cut]), 1.0, " ".join(parts[cut:]), at
        answer, at = self._some(at, length)
        return self._question(answer), 0.0, answer, at

    def _question(self, answer: str) -> str:
        if self.random.random() < 0.4:
            return self.random.choice(QUESTIONS)
        about = re.findall(r"[A-Za-z]{4,}", answer) or ["it"]
        question = self.random.choice(QUESTIONS_ABOUT)
        count = min(len(about), self.random.choice([1, 1, 2]))
        return question.format(" ".join(self.random.sample(about, count)))

    def _next(self, at: int, end: int | None = None) -> int:
        """The first sentence from `at`."""
        while (end is None or at < end) and self.sentences[at] is None:
            at += 1
        return at

    def _some(self, at: int, count: int) -> tuple[str, int]:
        """Up to `count` sentences of one paragraph, and where the text goes on."""
        some = []
        while at < len(self.sentences) and len(some) < count and self.sentences[at] is not None:
            some.append(self.sentences[at])
            at += 1
        return " ".join(some), at
