"""Writes a model of the Gemma 3 architecture as a GGUF that llama.cpp, Ollama and the WASM runtime read."""

import dataclasses

import gguf
import numpy as np

# The first tokens of every vocabulary here, in this order.
PAD, EOS, BOS, UNK, START_OF_TURN, END_OF_TURN = range(6)
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
SPACE = "\u2581"  # how sentencepiece writes a blank

EPSILON = 1e-6
WINDOW = 512  # tokens that a layer sees; each sixth layer sees all
LOCAL_ROPE_BASE, GLOBAL_ROPE_BASE = 1e4, 1e6

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ 'model' if m['role']=='assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)


@dataclasses.dataclass(frozen=True)
class Shape:
    dim: int
    layers: int
    ff: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int


@dataclasses.dataclass
class Vocabulary:
    """Pieces with their scores and kinds, by id."""

    pieces: list[str] = dataclasses.field(default_factory=list)
    scores: list[float] = dataclasses.field(default_factory=list)
    kinds: list[int] = dataclasses.field(default_factory=list)

    def add(self, piece: str, score: float, kind: gguf.TokenType) -> None:
        self.pieces.append(piece)
        self.scores.append(float(score))
        self.kinds.append(int(kind))

    def __len__(self) -> int:
        return len(self.pieces)


def write(path: str, name: str, description: str, shape: Shape, vocabulary: Vocabulary, tensors: dict[str, np.ndarray]) -> None:
    """Writes the file. A tensor's rows are its outputs; names are llama.cpp's."""
    w = gguf.GGUFWriter(path, "gemma3")
    w.add_name(name)
    w.add_description(description)
    w.add_context_length(shape.context)
    w.add_embedding_length(shape.dim)
    w.add_block_count(shape.layers)
    w.add_feed_forward_length(shape.ff)
    w.add_head_count(shape.heads)
    w.add_head_count_kv(shape.kv_heads)
    w.add_key_length(shape.head_dim)
    w.add_value_length(shape.head_dim)
    w.add_layer_norm_rms_eps(EPSILON)
    w.add_rope_freq_base(GLOBAL_ROPE_BASE)
    w.add_sliding_window(WINDOW)
    w.add_file_type(gguf.LlamaFileType.ALL_F32)
    w.add_tokenizer_model("llama")
    w.add_tokenizer_pre("default")
    w.add_token_list(vocabulary.pieces)
    w.add_token_scores(vocabulary.scores)
    w.add_token_types(vocabulary.kinds)
    w.add_bos_token_id(BOS)
    w.add_eos_token_id(EOS)
    w.add_unk_token_id(UNK)
    w.add_pad_token_id(PAD)
    w.add_eot_token_id(END_OF_TURN)
    w.add_add_bos_token(True)
    w.add_add_eos_token(False)
    w.add_add_space_prefix(False)
    w.add_chat_template(CHAT_TEMPLATE)
    for key, value in tensors.items():
        w.add_tensor(key, value)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
