"""Training with differential privacy, and the accounting of it.

accounting.py   noise and sampling -> epsilon, for one training or many. Light: numpy only
config.py       the settings of a private training, checked. Light
entropy.py      noise and sampling from the operating system
scaling.py      the scale of each feature, learned privately
training.py     a training set -> a trained model
"""
