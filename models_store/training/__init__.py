"""Features and labels in, a trained model out."""

from models_store.config import TrainConfig
from models_store.training.run import Check, Progress, TrainingError
from models_store.training.trainer import Trained, forget, train

__all__ = ["Check", "Progress", "TrainConfig", "Trained", "TrainingError", "forget", "train"]
