"""Encode texts by a server that answers as OpenAI's /v1/embeddings does.

The encoder sends nothing itself: it makes the requests and checks the answers, and `ask` sends them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from models_store.encoders.base import Encoder, EncoderSetupError, EncodingError, State
from models_store.encoders.options import Option

Ask = Callable[[dict[str, Any]], Any]
"""Sends the body of a request to the encoder's address, and returns the answer's JSON. Raises `TextRefused` if the
server refuses this request, but perhaps not others; any other exception ends the encoding.
"""

AT_ONCE = 64
"""The most texts of one request. Servers that take fewer refuse it, and are asked about half of them."""
MOST_NUMBERS = 16_384
"""The longest embedding."""
EXAMPLE = "Text"
"""The text that shows what the server answers, before any text of the pool is sent."""


class TextRefused(Exception):
    """The server does not take this request. The message says why, without the request; `details`, which may quote it,
    is what the server said.
    """

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(reason)
        self.details = details


def _nobody(body: dict[str, Any]) -> Any:
    raise EncoderSetupError(
        f"The encoder {Endpoint.name!r} gets its features from a server: set `ask` to a function that sends a request "
        "to the encoder's `address`, and returns the answer's JSON."
    )


class Endpoint(Encoder):
    """The embedding that a server makes of a text. The first answer says how many numbers it has.

    The same text may get slightly other numbers at the next request, if the server rounds otherwise.
    """

    name: ClassVar[str] = "endpoint"
    kind: ClassVar[str] = "text"
    meaning: ClassVar[str] = (
        "Embeddings from a server with an OpenAI-compatible endpoint, a provider’s or your own. Any language that "
        "its model knows. Each text is sent to that server once."
    )
    options: ClassVar[Mapping[str, Option]] = {
        "address": Option(
            "Where embeddings are requested, for example https://api.openai.com/v1/embeddings.", pattern=r"https?://\S+"
        ),
        "model": Option("The model’s name on that server, for example text-embedding-3-small.", pattern=r".*\S.*"),
        "dimensions": Option(
            "The length of an embedding, if the model can shorten it; 0: its full length.",
            default=0,
            high=MOST_NUMBERS,
        ),
        "prompt": Option("A prefix that some models expect before each text, for example “query: ”.", default=""),
        "characters": Option(
            "The number of characters that are sent from the beginning of a text.", default=8000, low=100, high=100_000
        ),
    }
    sends_items: ClassVar[bool] = True
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    def __init__(self, address: str, model: str, *, dimensions: int, prompt: str, characters: int) -> None:
        self.address = address
        self.model = model
        self.dimensions = dimensions
        self.prompt = prompt
        self.characters = characters
        self.ask: Ask = _nobody

    @classmethod
    def fit(
        cls,
        samples: Sequence[str],
        *,
        address: str,
        model: str,
        dimensions: int = 0,
        prompt: str = "",
        characters: int = 8000,
        ask: Ask,
    ) -> Self:
        """Ask the server about an example. Raises `EncoderSetupError` if it does not answer with an embedding."""
        encoder = cls(address, model, dimensions=dimensions, prompt=prompt, characters=characters)
        encoder.ask = ask
        try:
            [embedding] = encoder._embeddings([encoder.sent(EXAMPLE)])
        except TextRefused as refused:
            raise EncoderSetupError(f"{refused} {refused.details}".rstrip()) from refused
        encoder._be(len(embedding))
        return encoder

    def encode(self, raws: Sequence[str]) -> np.ndarray:
        features = np.zeros((len(raws), self.dim), dtype=self.dtype)
        for start, answer in self.answers(raws):
            if isinstance(answer, str):
                raise EncodingError(answer, index=start)
            features[start : start + len(answer)] = answer
        return features

    def answers(self, raws: Sequence[str]) -> Iterator[tuple[int, np.ndarray | str]]:
        """Ask about all texts, some at a time. Yield the place of the first text of each request with the embeddings,
        (m, dim) float32; or the place of a text that the server refuses alone, with the reason.

        Raises `EncoderSetupError` for an answer that is wrong.
        """
        for index, raw in enumerate(raws):
            if not isinstance(raw, str):
                raise EncodingError(f"expected a text, not {type(raw).__name__}", index=index)
        parts = [range(start, min(start + AT_ONCE, len(raws))) for start in range(0, len(raws), AT_ONCE)]
        parts.reverse()
        while parts:
            part = parts.pop()
            try:
                yield part.start, self._embeddings([self.sent(raws[place]) for place in part])
            except TextRefused as refused:
                if len(part) == 1:
                    yield part.start, str(refused)
                else:
                    half = part.start + len(part) // 2
                    parts += [range(half, part.stop), range(part.start, half)]

    def sent(self, raw: str) -> str:
        """Return what is sent of a text."""
        # Halves of surrogate pairs, of which there are some in scraped texts, are no characters.
        return self.prompt + raw[: self.characters].encode(errors="replace").decode()

    def state(self) -> State:
        texts = {"address": self.address, "model": self.model, "prompt": self.prompt}
        numbers = {"dimensions": self.dimensions, "characters": self.characters, "dim": self.dim}
        return {name: np.array(value) for name, value in (texts | numbers).items()}

    @classmethod
    def from_state(cls, state: State) -> Self:
        encoder = cls(
            str(state["address"]),
            str(state["model"]),
            dimensions=int(state["dimensions"]),
            prompt=str(state["prompt"]),
            characters=int(state["characters"]),
        )
        encoder._be(int(state["dim"]))
        return encoder

    def _be(self, dim: int) -> None:
        self.dim = dim
        self.input_shape = (dim,)

    def _embeddings(self, texts: list[str]) -> np.ndarray:
        body = {"model": self.model, "input": texts} | ({"dimensions": self.dimensions} if self.dimensions else {})
        embeddings = embeddings_in(self.ask(body), len(texts))
        width, dim = embeddings.shape[1], getattr(self, "dim", self.dimensions)
        if dim and width != dim:
            raise EncoderSetupError(
                f"The server answered with embeddings of {width:,} numbers instead of {dim:,}: has its model changed?"
            )
        return embeddings


def embeddings_in(answer: Any, n: int) -> np.ndarray:
    """Return the embeddings in the answer to a request with n >= 1 texts, in their order: (n, dim) float32.

    Raises `EncoderSetupError`, in one sentence, if the answer is another.

    >>> embeddings_in({"data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2.5]}]}, 2)
    array([[1. , 2.5],
           [3. , 4. ]], dtype=float32)
    """
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise EncoderSetupError("The server’s answer has no list of embeddings: is the address that of an endpoint?")
    places = [each.get("index", place) for place, each in enumerate(data)]
    if not all(isinstance(place, int) for place in places) or sorted(places) != list(range(n)):
        raise EncoderSetupError(f"The server was asked about {n:,} texts, and did not answer with one embedding each.")
    try:
        found = np.array([data[at].get("embedding") for at in np.argsort(places)])
    except ValueError:
        raise EncoderSetupError("The server answered with embeddings of different lengths.") from None
    if found.dtype.kind not in "iuf" or found.ndim != 2 or not 0 < found.shape[1] <= MOST_NUMBERS:
        raise EncoderSetupError(
            f"The server answered with an embedding that is no list of 1 to {MOST_NUMBERS:,} numbers."
        )
    with np.errstate(over="ignore"):
        embeddings = found.astype(np.float32)
    if not np.isfinite(embeddings).all():
        raise EncoderSetupError("The server answered with an embedding that is not finite.")
    return embeddings
