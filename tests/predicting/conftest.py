"""Networks train in this process: with one thread, as a worker beside a web server does."""

import torch

torch.set_num_threads(1)
