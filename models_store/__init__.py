"""Networks and encoders: arrays and labels in, an artifact out; an artifact and arrays in, predictions out.

The only package that knows torch, and it knows neither Django nor the selector. What must stay light (the
training settings, the encoders, the metrics) can be imported without loading torch:

    encoders/       raw items -> features, computed once and kept on disk
    networks/       one file a network, each with a frozen config
    questions/      all that differs between kinds of questions, one file each
    config.py       the training settings, checked
    training/       features and labels -> a trained model
    privacy/        the same with differential privacy, and the accounting of it
    prediction.py   a model and features -> embeddings, margins, best classes, chunk by chunk
    artifact.py     a model version as a folder, verified by hashes
    metrics.py      what the control slice says about a model
    payoff.py       what uniform labels would have done, and what the next batch brings
"""

__version__ = "1.0.0"
