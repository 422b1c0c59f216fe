"""A small masked language model, pre-trained on texts that its weights must not reveal.

config.py       shape of the network, settings of the training, and their checks; does not import torch
wordpieces.py   texts -> word pieces of a public vocabulary
texts.py        word pieces by unit of privacy; drawing windows and hiding pieces
network.py      the network: a BERT of 2 to 4 layers
pretraining.py  texts and settings -> trained weights
"""
