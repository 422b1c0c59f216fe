"""Select the items to label next: arrays in, indices out.

`linkage` clusters the embeddings of a pool once, `joining` places new items in that clustering, and `leaves` orders
its items. `cluster_margin` picks a batch, and `strategies` offers all ways of picking by name. `near_copies` finds
near-copies of the picked items, and `radius` learns the height up to which their labels agree.
This package uses no database, web request or network.
"""
