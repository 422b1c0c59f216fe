"""Which items to label next: arrays in, indices out.

`linkage` clusters the embeddings of a pool once, `joining` places new items in that clustering, `leaves` lines it up,
`cluster_margin` picks a batch, and `strategies` offers the ways of picking by name. `copies` tells what is nearly the
same as what was picked, and `radius` how far that can be trusted.
Nothing here knows of a database, a web request or a network.
"""
