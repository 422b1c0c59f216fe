"""Networks and encoders: arrays and labels in, an artifact out; an artifact and arrays in, predictions out.

The only package that knows torch, and it knows neither Django nor the selector. What must stay light (the
training settings, the encoders, the metrics) can be imported without loading torch:

    encoders/       raw items -> features, computed once and kept on disk
    networks/       one file a network, each with a frozen config
    estimators/     what learns by `fit` and `predict`: scikit-learn, and other packages' classes
    questions/      one file a question: targets, losses, decisions
    config.py       the settings of a network's training, checked
    learning.py     a training set and a recipe -> a trained model, by any learner
    training/       the same for networks, from the call to the loop over steps
    privacy/        the same with differential privacy, and its accounting
    prediction.py   a model and features -> embeddings, margins, best classes, chunk by chunk
    artifact.py     a model version as a folder, verified by hashes
    metrics.py      accuracy and errors on control items
    payoff.py       how many uniform labels a picked batch is worth, and the gain of the next batch

A *network* is a module of torch. An *estimator* has `fit` and `predict`. A *learner* is what a project chooses to train
with: `NetworkLearner`, or an estimator. A *model* is the result: a network, and the question that it answers.
"""

__version__ = "1.0.0"
