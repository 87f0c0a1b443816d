"""The tokenizer of the trained model: sentencepiece BPE with byte fallback, and an ordinary token for a line's end."""

import io
import re

import gguf
import sentencepiece as spm

import gemma3_gguf as g3


class Words:
    def __init__(self, paragraphs: list[str], tokens: int) -> None:
        model = io.BytesIO()
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(paragraphs), model_writer=model, model_type="bpe", vocab_size=tokens - 1,
            byte_fallback=True, normalization_rule_name="identity", add_dummy_prefix=False,
            remove_extra_whitespaces=False, split_digits=True, character_coverage=1.0,
            required_chars="".join(map(chr, range(33, 127))), max_sentence_length=1 << 20, num_threads=2,
            pad_id=g3.PAD, eos_id=g3.EOS, bos_id=g3.BOS, unk_id=g3.UNK,
            pad_piece=g3.SPECIAL[g3.PAD], eos_piece=g3.SPECIAL[g3.EOS], bos_piece=g3.SPECIAL[g3.BOS],
            unk_piece=g3.SPECIAL[g3.UNK], control_symbols=g3.SPECIAL[g3.START_OF_TURN :], minloglevel=2,
        )  # fmt: skip
        self.pieces = spm.SentencePieceProcessor(model_proto=model.getvalue())
        self.newline = self.pieces.get_piece_size()

    def __len__(self) -> int:
        return self.newline + 1

    def encode(self, text: str) -> list[int]:
        """The ids of text without control tokens."""
        ids = []
        for i, line in enumerate(text.split("\n")):
            ids += ([self.newline] if i else []) + self.pieces.encode(line)
        return ids

    def encode_prompt(self, text: str) -> list[int]:
        """The ids of text with control tokens written out, as the runtimes read a prompt."""
        control = [s for i, s in enumerate(g3.SPECIAL) if i not in (g3.PAD, g3.UNK)]
        ids = []
        for part in re.split("(" + "|".join(control) + ")", text):
            ids += [g3.SPECIAL.index(part)] if part in control else self.encode(part)
        return ids

    def decode(self, ids: list[int]) -> str:
        return "".join("\n" if i == self.newline else self.pieces.id_to_piece(i).replace(g3.SPACE, " ") for i in ids)

    def vocabulary(self) -> g3.Vocabulary:
        kind, v = gguf.TokenType, g3.Vocabulary()
        for i in range(self.newline):
            p = self.pieces
            special = kind.UNKNOWN if p.is_unknown(i) else kind.CONTROL if p.is_control(i) else None
            v.add(p.id_to_piece(i), p.get_score(i), special or (kind.BYTE if p.is_byte(i) else kind.NORMAL))
        v.add("\n", -1000.0, kind.NORMAL)
        return v
