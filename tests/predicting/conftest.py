"""Fixtures of the prediction tests. Networks train in this process, with one thread."""

import torch

torch.set_num_threads(1)
