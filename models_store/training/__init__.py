"""Features and labels in, a trained model out. To be read in this order:

training_set.py what a model learns from, and what a step takes of it
recipe.py       how it is trained, and where the training runs
trainer.py      the call, and the one or several runs that it takes
trained.py      what comes out
run.py          one training from its first step to its last
schedule.py     how many steps, how large each is
optimiser.py    what a step changes
losses.py       what a step makes small
gradients.py    what a step's labels add to
together.py     the same, in several processes
calibrating.py  how sure the trained network may be
checkpoints.py  where a run stands, on disk
"""

from models_store.config import TrainConfig
from models_store.training.recipe import Recipe, Runtime
from models_store.training.run import Check, Progress, Stopped, TrainingError
from models_store.training.trained import EstimatorConfig, Later, Trained
from models_store.training.trainer import calibrate, forget, train
from models_store.training.training_set import Propagated, TrainingSet

__all__ = [
    "Check",
    "EstimatorConfig",
    "Later",
    "Progress",
    "Propagated",
    "Recipe",
    "Runtime",
    "Stopped",
    "TrainConfig",
    "Trained",
    "TrainingError",
    "TrainingSet",
    "calibrate",
    "forget",
    "train",
]
