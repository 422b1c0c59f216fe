"""Ours beside the exact average linkage of fastcluster, scipy and scikit-learn: time, memory, agreement.

    python -m benchmarks.clustering_peers --items 20000
    python -m benchmarks.clustering_peers --items 5000 --vectors embeddings.npy --labels classes.npy

Pools: the last layer of the product's own network, trained on 2,000 labels of Fashion-MNIST (Debian's package
dataset-fashion-mnist), and separated blobs. Each library runs in a process of its own, ours after a small call that
compiles. Agreement is the adjusted Rand index with fastcluster's clusters at mean sizes of 2, 10 and 50; dendrogram
purity (Heller and Ghahramani 2005) is the mean share of a pair's class in the smallest cluster that holds both, over
10,000 pairs of one class.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import in_a_process, machine, peak_bytes, timed

MODULE = "benchmarks.clustering_peers"
PEERS = ("ours", "fastcluster", "scipy", "scikit-learn")
MEAN_SIZES = (2, 10, 50)
PAIRS = 10_000
LABELED = 2000
REPEATS = 3


# --- Pools --------------------------------------------------------------------------------------------------------


def fashion(items: int, dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the penultimate layer (items, dim) of a network like the product's, and the classes (items,)."""
    import torch

    from benchmarks.efficiency.datasets import Source
    from models_store.model import Model
    from models_store.networks.mlp import Mlp, MlpConfig
    from models_store.prediction import predict

    data = Source("fashion").load(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.features))
    features = data.features[order].reshape(len(order), -1).astype(np.float32)
    labels = torch.from_numpy(data.labels[order].astype(np.int64))
    torch.manual_seed(seed)
    network = Mlp(MlpConfig(features.shape[1], data.n_classes, embedding_dim=dim))
    network.standardise(features[:LABELED])
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    network.train()
    for _ in range(30):
        for rows in np.array_split(rng.permutation(LABELED), LABELED // 64):
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(torch.from_numpy(features[rows]))[1], labels[rows])
            loss.backward()
            optimiser.step()
    model = Model("single", data.n_classes, (features.shape[1],), network.eval())
    embeddings = np.concatenate([part.embeddings for part in predict(model, features[:items])])
    return embeddings, labels[:items].numpy()


def blobs(items: int, dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return tight blobs of 50 items each, and the blob of each item (items,)."""
    rng = np.random.default_rng(seed)
    truth = np.arange(items) // 50
    rng.shuffle(truth)
    centres = rng.normal(size=(truth.max() + 1, dim))
    return (centres[truth] + rng.normal(size=(items, dim)) * 0.01).astype(np.float32), truth


# --- Peers, each from vectors to merges ---------------------------------------------------------------------------


def ours(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from selector.linkage import average_linkage

    dendrogram = average_linkage(vectors)
    return dendrogram.merges, dendrogram.heights


def fastcluster(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import fastcluster as library

    return _from_scipy(library.linkage(vectors.astype(np.float64), "average", "cosine"))


def scipy(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import pdist

    return _from_scipy(linkage(pdist(vectors.astype(np.float64), "cosine"), "average"))


def scikit_learn(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.cluster import AgglomerativeClustering

    model = AgglomerativeClustering(linkage="average", metric="cosine", n_clusters=1, compute_distances=True)
    model.fit(vectors)
    return model.children_, model.distances_


def _from_scipy(linkage: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return linkage[:, :2].astype(np.int64), linkage[:, 2]


RUNS = {"ours": ours, "fastcluster": fastcluster, "scipy": scipy, "scikit-learn": scikit_learn}


def run(args: argparse.Namespace) -> dict[str, Any]:
    vectors = np.load(args.vectors)
    call = RUNS[args.run]
    call(np.random.default_rng(0).normal(size=(1500, vectors.shape[1])))
    repeats = REPEATS if args.run == "ours" else 1
    seconds = []
    for _ in range(repeats):
        taken, (merges, heights) = timed(lambda: call(vectors))
        seconds.append(taken)
    np.savez(args.merges, merges=np.sort(merges, axis=1), heights=np.maximum.accumulate(heights))
    return {"name": args.run, "seconds": float(np.median(seconds)), "all_seconds": seconds, "peak_bytes": peak_bytes()}


# --- Agreement ----------------------------------------------------------------------------------------------------


def dendrogram_purity(merges: np.ndarray, labels: np.ndarray, seed: int = 0) -> float:
    n = len(labels)
    counts = np.zeros((2 * n - 1, labels.max() + 1), np.int32)
    counts[np.arange(n), labels] = 1
    parents = np.arange(2 * n - 1)
    for made, (one, other) in enumerate(merges, start=n):
        counts[made] = counts[one] + counts[other]
        parents[[one, other]] = made
    rng = np.random.default_rng(seed)
    first = rng.integers(n, size=PAIRS)
    second = np.array([rng.choice(np.flatnonzero(labels == labels[item])) for item in first])
    one, other = first.copy(), second.copy()
    while (apart := one != other).any():
        lower = apart & (one < other)
        one[lower] = parents[one[lower]]
        other[apart & ~lower] = parents[other[apart & ~lower]]
    return float(np.mean(counts[one, labels[first]] / counts[one].sum(axis=1)))


def compare(folder: Path, runs: list[dict[str, Any]], labels: np.ndarray) -> None:
    """Add to each run its agreement with the exact clustering, and its purity."""
    from sklearn.metrics import adjusted_rand_score

    from selector.dendrogram import Dendrogram

    made = {entry["name"]: np.load(folder / f"{entry['name']}.npz") for entry in runs}
    trees = {name: Dendrogram(len(labels), file["merges"], file["heights"], "cosine") for name, file in made.items()}
    exact = {size: trees["fastcluster"].cut(mean_cluster_size=size) for size in MEAN_SIZES}
    for entry in runs:
        tree = trees[entry["name"]]
        entry["adjusted_rand"] = {
            str(size): adjusted_rand_score(exact[size], tree.cut(mean_cluster_size=size)) for size in MEAN_SIZES
        }
        entry["dendrogram_purity"] = dendrogram_purity(tree.merges, labels)


def benchmark(name: str, vectors: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        np.save(folder / "vectors.npy", vectors)
        runs = [
            in_a_process(MODULE, run=peer, vectors=folder / "vectors.npy", merges=folder / f"{peer}.npz")
            for peer in PEERS
        ]
        compare(folder, runs, labels)
    exact = min(entry["seconds"] for entry in runs if entry["name"] != "ours")
    return {
        "pool": name,
        "items": len(vectors),
        "dim": vectors.shape[1],
        "runs": runs,
        "times_faster_than_the_fastest": exact / runs[0]["seconds"],
    }


def tell(result: dict[str, Any]) -> None:
    for pool in result["pools"]:
        print(f"\n{pool['pool']}: {pool['items']:,} × {pool['dim']}")
        print(f"{'':<14}{'seconds':>9}{'peak GB':>9}   Rand at mean size 2, 10, 50     purity")
        for entry in pool["runs"]:
            rand = "  ".join(f"{value:.4f}" for value in entry["adjusted_rand"].values())
            print(f"{entry['name']:<14}{entry['seconds']:>9.2f}{entry['peak_bytes'] / 1e9:>9.2f}   {rand:<28}"
                  f"{entry['dendrogram_purity']:>10.3f}")  # fmt: skip
        print(f"{pool['times_faster_than_the_fastest']:.0f} × as fast as the fastest of the others")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--pools", default="fashion,blobs", help="fashion, blobs, or both with a comma")
    parser.add_argument("--vectors", type=Path, help="a .npy of your own (n, d), with --labels")
    parser.add_argument("--labels", type=Path, help="a .npy of whole numbers (n,)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("--merges", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := set(args.pools.split(",")) - {"fashion", "blobs"}:
        parser.error(f"there is no pool {', '.join(sorted(unknown))}; known: fashion, blobs")
    if not args.run and bool(args.vectors) != bool(args.labels):
        parser.error("--vectors and --labels go together")
    if args.items < 100:
        parser.error("fewer than 100 items say nothing")
    return args


def pools(args: argparse.Namespace) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if args.vectors:
        vectors, names = np.load(args.vectors), np.load(args.labels)
        return {str(args.vectors): (vectors[: args.items], np.unique(names, return_inverse=True)[1][: args.items])}
    known = {"fashion": fashion, "blobs": blobs}
    return {name: known[name](args.items, args.dim, args.seed) for name in args.pools.split(",")}


def main() -> None:
    args = parse()
    if args.run:
        print(json.dumps(run(args)))
        return
    try:
        chosen = pools(args)
    except (ValueError, OSError) as error:
        sys.exit(f"clustering_peers: {error}")
    results = [benchmark(name, vectors, labels) for name, (vectors, labels) in chosen.items()]
    result = {"benchmark": "clustering_peers", **machine(), "seed": args.seed, "pools": results}
    print(json.dumps(result)) if args.json else tell(result)


if __name__ == "__main__":
    main()
