"""Test the encoder whose embeddings a server makes, with a real server."""

import json
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pytest
from embedder import DIM, embedder, embedding, sent_to
from receivers import Receiver, Request, receiver

from models_store import encoders
from models_store.encoders import EncoderSetupError, EncodingError
from models_store.encoders.endpoint import AT_ONCE, Endpoint, TextRefused
from models_store.nodes import encode_good


def ask_at(server: Receiver) -> Any:
    def ask(body: dict[str, Any]) -> Any:
        request = urllib.request.Request(server.url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            raise TextRefused(f"It answered {error.code}.") from error

    return ask


def fitted(server: Receiver, **options: Any) -> Endpoint:
    return Endpoint.fit([], address=server.url, model="m", ask=ask_at(server), **options)


def test_texts_are_encoded_in_their_order_and_again_from_the_file(tmp_path: Path) -> None:
    texts = [f"ball {'soup ' * (n % 5)}{n}" for n in range(AT_ONCE + 3)]
    with receiver(status=200, answering=embedder()) as server:
        encoder = fitted(server)
        features = encoder.encode(texts)
        assert encoder.save(tmp_path / "encoder.npz") == fitted(server).digest, "a later fit is the same encoder"
        loaded = encoders.load(tmp_path / "encoder.npz")
        assert isinstance(loaded, Endpoint)
        with pytest.raises(EncoderSetupError, match="gets its features from a server: set `ask`"):
            loaded.encode(texts)
        loaded.ask = ask_at(server)
        assert (loaded.encode(texts) == features).all()
    assert features.dtype == np.float32
    assert np.allclose(features, [embedding(text) for text in texts])
    assert loaded.encode([]).shape == (0, DIM)


def test_what_is_sent_follows_the_options() -> None:
    def answering(request: Request) -> bytes:
        return embedder(lambda text: embedding(text)[: json.loads(request.body)["dimensions"]])(request)

    with receiver(status=200, answering=answering) as server:
        encoder = fitted(server, dimensions=4, prompt="query: ", characters=100)
        encoder.encode(["soup " * 100, "half of a pair \ud800"])
        body = json.loads(server.got[-1].body)
    assert (body["model"], body["dimensions"], encoder.dim) == ("m", 4, 4)
    assert body["input"] == ["query: " + "soup " * 20, "query: half of a pair ?"]


def test_a_text_that_the_server_refuses_alone_is_the_only_one_left_out() -> None:
    texts = [f"{n}" for n in range(40)]
    texts[17] = texts[30] = "refuse me"
    with receiver(status=200, answering=embedder()) as server:
        ask = ask_at(server)

        def asking(body: dict[str, Any]) -> Any:
            if "refuse me" in body["input"]:
                raise TextRefused("It answered 400.")
            return ask(body)

        encoder = Endpoint.fit([], address=server.url, model="m", ask=asking)
        features, wrong = encode_good(encoder, texts)
        with pytest.raises(EncodingError, match="item 17: It answered 400"):
            encoder.encode(texts)
    assert wrong == dict.fromkeys((17, 30), "It answered 400.")
    assert len(features) == 38


def test_a_server_that_takes_fewer_texts_at_once_gets_fewer() -> None:
    with receiver(status=200, answering=embedder()) as server:
        ask = ask_at(server)

        def asking(body: dict[str, Any]) -> Any:
            if len(body["input"]) > 20:
                raise TextRefused("too many")
            return ask(body)

        encoder = Endpoint.fit([], address=server.url, model="m", ask=asking)
        assert len(encoder.encode([f"{n}" for n in range(70)])) == 70
        assert sent_to(server) == ["Text", *(f"{n}" for n in range(70))], "each once, in order"


WRONG: list[tuple[Any, str]] = [
    (None, "has no list of embeddings"),
    ([], "has no list of embeddings"),
    ({"data": [3]}, "has no list of embeddings"),
    ({"data": []}, "did not answer with one embedding each"),
    ({"data": [{"index": 1, "embedding": [1.0]}]}, "did not answer with one embedding each"),
    ({"data": [{"index": [], "embedding": [1.0]}]}, "did not answer with one embedding each"),
    ({"data": [{"index": 0}]}, "no list of 1 to 16,384 numbers"),
    ({"data": [{"index": 0, "embedding": []}]}, "no list of 1 to 16,384 numbers"),
    ({"data": [{"index": 0, "embedding": ["1"]}]}, "no list of 1 to 16,384 numbers"),
    ({"data": [{"index": 0, "embedding": "AAAA"}]}, "no list of 1 to 16,384 numbers"),
    ({"data": [{"index": 0, "embedding": [[1.0]]}]}, "no list of 1 to 16,384 numbers"),
    ({"data": [{"index": 0, "embedding": [1.0] * 16_385}]}, "no list of 1 to 16,384 numbers"),
    ({"data": [{"index": 0, "embedding": [float("nan")]}]}, "is not finite"),
    ({"data": [{"index": 0, "embedding": [1e300]}]}, "is not finite"),
    ({"data": [{"index": 0, "embedding": [1.0, 2.0]}]}, "embeddings of 2 numbers instead of 1"),
]


def _answered(answer: Any, body: dict[str, Any]) -> Any:
    return answer


def test_a_wrong_answer_is_named_in_a_sentence() -> None:
    encoder = Endpoint.fit(
        [], address="http://x", model="m", ask=lambda body: {"data": [{"index": 0, "embedding": [1.0]}]}
    )
    for answer, problem in WRONG:
        encoder.ask = partial(_answered, answer)
        with pytest.raises(EncoderSetupError, match=problem):
            encoder.encode(["one"])
    encoder.ask = lambda body: {"data": [{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}]}
    with pytest.raises(EncoderSetupError, match="of different lengths"):
        encoder.encode(["one", "two"])
