"""The byte-level BPE of the demo model: Qwen2's split pattern, learned from the world's own texts."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from . import answers, conversation, lettering, world
from .prompts import PROMPTS, SYSTEMS

SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
VOCAB = 1024
UNIT = "\x1f"  # separates the units that merges may not cross
EXTRA = (  # the template's words and what texts and pairs of pictures need
    *(
        "user",
        "assistant",
        "system",
        "图中写着",
        "第一张",
        "第二张",
        "图有",
        "文字",
        "“",
        "”",
        "；",
        "：",
        "、",
        "和",
        "一样多",
    ),
    *("The", "Picture", "_content", "bbox", "point", "_2", "？", "！", " says", " picture", " has", " text", " number"),
    *(" first", " second"),
)
FILE = Path(__file__).with_name("tokenizer.json")


def _pre() -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _corpus() -> list[str]:
    """Texts whose units are wrapped in UNIT: answers' words first (often), then prompts."""
    rng = random.Random(0)
    words = sorted(answers.ZH.values(), key=len, reverse=True)
    english = [*world.SHAPES, *world.COLOURS, *world.PLACES, *world.BACKGROUNDS]
    texts = [UNIT.join(words)] * 300 + [UNIT.join(f" {w}" for e in english for w in e.split())] * 300
    texts += [UNIT.join([*lettering.HANZI, *"".join(lettering.LABELS_ZH), *EXTRA])] * 300
    for i in range(300):
        scene = world.scene(i)
        for task in conversation.SHAPE_MIX:
            for lang in conversation.LANGS:
                text = conversation.question(rng, scene, task, lang).answer
                for word in words:
                    text = text.replace(word, f"{UNIT}{word}{UNIT}") if lang == "zh" else text
                texts.append(text)
    for lang in conversation.LANGS:
        texts += [re.sub(r"\{\w+\}", UNIT, p) for by_lang in PROMPTS.values() for p in by_lang[lang]] * 6
    return texts + list(SYSTEMS) * 6


def train() -> Tokenizer:
    """Learn the merges and save them beside this file."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(UNIT, "removed"), _pre()])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    size = VOCAB - len(SPECIALS)
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False, min_frequency=4)
    tokenizer.train_from_iterator(_corpus(), trainer)
    tokenizer.pre_tokenizer = _pre()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.save(str(FILE), pretty=False)
    return tokenizer


def load() -> Tokenizer:
    """Read the tokenizer that `train` saved."""
    return Tokenizer.from_file(str(FILE))


def special(name: str) -> int:
    """Return a special token's id."""
    return int(load().token_to_id(name))


def parts() -> tuple[list[str], list[str]]:
    """Return the tokens by id and the merges, as GGUF stores them."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    vocab = load().get_vocab()
    merges = [" ".join(m) if isinstance(m, list) else m for m in data["model"]["merges"]]
    return sorted(vocab, key=lambda t: vocab[t]), merges


if __name__ == "__main__":
    print(train().get_vocab_size(), "tokens")
