"""Features and labels in, a trained model out. To be read in this order:

trainer.py      the call: what goes in, what comes out, and between them one or several runs
run.py          one training from its first step to its last
labels.py       what a step takes
losses.py       what a step makes small
gradients.py    what a step's labels add to
together.py     the same, in several processes
calibrating.py  how sure the trained network may be
checkpoints.py  where a run stands, on disk
"""

from models_store.config import TrainConfig
from models_store.training.labels import Propagated
from models_store.training.run import Check, Progress, Stopped, TrainingError
from models_store.training.trainer import Later, Trained, calibrate, forget, train

__all__ = [
    "Check",
    "Later",
    "Progress",
    "Propagated",
    "Stopped",
    "TrainConfig",
    "Trained",
    "TrainingError",
    "calibrate",
    "forget",
    "train",
]
