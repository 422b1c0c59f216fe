"""Answers of a server for embeddings in OpenAI's form: how often each of some words occurs in a text."""

import json
from collections.abc import Callable
from typing import Any

from receivers import Receiver, Request

WORDS = ("ball", "goal", "team", "match", "bread", "soup", "cheese", "apple")
DIM = len(WORDS) + 1


def embedding(text: str) -> list[float]:
    return [*(text.count(word) / 6 for word in WORDS), 1.0]


def embedder(embed: Callable[[str], Any] = embedding) -> Callable[[Request], bytes]:
    """Return what answers each request with the embeddings that this function makes, the last text's first."""

    def answering(request: Request) -> bytes:
        texts = json.loads(request.body)["input"]
        data = [{"object": "embedding", "index": at, "embedding": embed(text)} for at, text in enumerate(texts)]
        usage = {"prompt_tokens": sum(map(len, texts)), "total_tokens": 0}
        return json.dumps({"object": "list", "data": data[::-1], "usage": usage}).encode()

    return answering


def sent_to(server: Receiver) -> list[str]:
    """Return the texts that the server got, in order."""
    return [text for each in server.got for text in json.loads(each.body)["input"]]
