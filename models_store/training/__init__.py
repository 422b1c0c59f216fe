"""Train a network on features and labels. The modules, in reading order:

training_set.py the labeled items, and the arrays of a step's labels
recipe.py       the recipe of a training, and its runtime
trainer.py      the functions `train` and `calibrate`, which make one or several runs
spreading.py    labels that spread over a graph of the pool
teacher.py      the classes of unlabeled items, by that graph and by a network
trained.py      the result of a training
run.py          one training, from its first step to its last
schedule.py     the number of steps, and the labels and learning rate of each
optimiser.py    the groups of weights, and their running average
losses.py       the objective that a step reduces
gradients.py    the gradients of a step's labels
together.py     the gradients of a step, in several processes
calibrating.py  the calibration of a trained network
checkpoints.py  the saved state of a run
"""

from models_store.config import TrainConfig
from models_store.training.recipe import Recipe, Runtime
from models_store.training.run import Check, Progress, Stopped, TrainingError
from models_store.training.trained import EstimatorConfig, Later, Trained
from models_store.training.trainer import calibrate, forget, train
from models_store.training.training_set import MOST_POOL, Propagated, TrainingSet

__all__ = [
    "MOST_POOL",
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
