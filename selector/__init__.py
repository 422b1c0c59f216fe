"""Select the items to label next: arrays in, indices out.

`linkage` clusters the embeddings of a pool once, `joining` places new items in that clustering, `leaves` lines it up,
`cluster_margin` picks a batch, and `strategies` offers the ways of picking by name. `copies` finds near-copies of the
picked items, and `radius` learns up to which height their labels agree.
Nothing here knows a database, a web request or a network.
"""
