"""Train networks with differential privacy, and account for its cost.

accounting.py   noise and sampling -> epsilon, for one training or many, by Rényi divergences
planned.py      the same for trainings that were fixed beforehand, by privacy loss distributions: less
config.py       the settings of a private training, and their checks; does not import torch
entropy.py      noise and sampling from the operating system
scaling.py      the scale of each feature, learned privately
training.py     a training set -> a trained model
"""
