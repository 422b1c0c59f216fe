"""Train models, save them as artifacts, and predict with them. Encode raw items to features.

This is the only package that imports torch, and it imports neither Django nor `selector`. Web processes import its
training settings, encoders and metrics without loading torch. The main modules:

    encoders/       raw items -> features, computed once and stored
    networks/       the networks, one file each, with a frozen config
    estimators/     classes with `fit` and `predict`: scikit-learn's, and those of other packages
    questions/      targets, losses and decisions, one file for each question
    config.py       the settings of a network's training, and their checks
    learning.py     a training set and a recipe -> a trained model, by any learner
    training/       the training of networks
    privacy/        the training of networks with differential privacy, and its accounting
    prediction.py   a model and features -> embeddings, margins, best classes, chunk by chunk
    artifact.py     a model version as a folder, verified by hashes
    metrics.py      accuracy and errors on control items
    evidence.py     what answers of machines are worth beside a model's probabilities
    stand_in.py     whether a machine could stand in for a person
    payoff.py       the uniform labels that a picked batch is worth, and the gain of the next batch

A *network* is a module of torch. An *estimator* has `fit` and `predict`. A *learner* is the project's choice of what is
trained: `NetworkLearner` or an estimator. A *model* is the result: a network, and the question that it answers.
"""

__version__ = "1.1.0"
