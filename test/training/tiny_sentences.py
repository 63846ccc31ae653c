# SPDX-License-Identifier: Apache-2.0
"""A sentence encoder of random weights in the format of `transformers`, made in a moment."""

from __future__ import annotations

from pathlib import Path

import torch
from synthetic import LABELS

from m2r2_ros.training.sentences import sentence


def write_sentence_encoder(folder: Path) -> str:
    """Write the model and its tokenizer; returns the folder as settings name it."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    folder.mkdir(parents=True)
    words = " ".join(sentence([label] * n) for label in LABELS for n in (1, 2, 3)).lower()
    for mark in ",.":
        words = words.replace(mark, f" {mark} ")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(words.split()))]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertModel(config).save_pretrained(folder)
    return str(folder)
