"""Features and labels in, a trained model out. To be read in this order:

trainer.py      the call: what goes in, and the one or several runs that it takes
trained.py      what comes out
run.py          one training from its first step to its last
schedule.py     how many steps, how large each is
optimiser.py    what a step changes
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
from models_store.training.trained import Later, Trained
from models_store.training.trainer import calibrate, forget, train

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
