"""Train networks with differential privacy, and account for its cost.

accounting.py   noise and sampling -> epsilon, for one training or many, by Rényi divergences
planned.py      the same for trainings that were fixed beforehand, by privacy loss distributions: less
config.py       the settings of a private training, and their checks; does not import torch
entropy.py      noise and sampling from the operating system
clipping.py     clipped gradients of single records, added up, without those of any single one in memory
steps.py        the steps of an optimiser on clipped sums with noise
tuning.py       fine-tuning of pretrained networks; lora.py: by low-rank adapters
scaling.py      the scale of each feature, learned privately
training.py     a training set -> a trained model
"""
