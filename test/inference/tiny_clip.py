# SPDX-License-Identifier: Apache-2.0
"""A CLIP of random weights in the format of `transformers`, made in a moment."""

from __future__ import annotations

import json
from pathlib import Path

import torch

SIDE, DIMENSION = 16, 12
WORDS = [
    "robot",
    "human",
    "pick",
    "insert",
    "place",
    "remove",
    "usb",
    "bnc",
    "gear",
    "action",
    "is",
    "object",
    "the",
    ",",
    ".",
]


def write_clip(folder: Path) -> str:
    """Write both models and the tokenizer; returns the folder as settings name it."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizerFast

    torch.manual_seed(0)
    folder.mkdir(parents=True)
    letters = sorted(set("".join(WORDS)))
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *pieces]
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    files = (str(folder / "vocab.json"), str(folder / "merges.txt"))
    # As many as the text tower has positions.
    tokenizer = CLIPTokenizerFast(*files, model_max_length=77)
    tokenizer.save_pretrained(folder)
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    small |= {"num_attention_heads": 2, "projection_dim": DIMENSION}
    config = CLIPConfig(
        text_config=small
        | {"vocab_size": len(vocabulary), "eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1},
        vision_config=small | {"image_size": SIDE, "patch_size": 8},
        projection_dim=DIMENSION,
    )
    CLIPModel(config).save_pretrained(folder)
    return str(folder)
