"""How long picking a batch takes, and how much memory beyond its inputs, beside plain numpy.

    python -m benchmarks.selection --items 10000000 --batch 1000000
    python -m benchmarks.selection --items 200000 --batch 2000 --strategies coreset,badge
    python -m benchmarks.selection --items 200000 --classes 20000

The first picks by Cluster-Margin from made-up margins and clusters of skewed sizes. The second picks by other
strategies, from 64 numbers an item for its embedding and 64 for its error vector, beside plain numpy. The third streams
the margins of a pool from a network of so many classes. Each is measured in a process of its own, that has loaded its
inputs and made one small call before (which compiles or loads compiled code, and is told apart).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import peak_bytes

MEGABYTE = 1e6
SMALL = 64  # items in the call before


def make_pool(folder: Path, items: int, mean_cluster_size: float, seed: int) -> int:
    """Write margins.npy (float32) and clusters.npy (int64). Return the number of clusters.

    Sizes are log-normal (a few clusters are hundreds of times as large as most), and doubt is a matter of the cluster
    as much as of the item, as in real pools.
    """
    rng = np.random.default_rng(seed)
    clusters = max(1, round(items / mean_cluster_size))
    weights = rng.lognormal(sigma=1.5, size=clusters)
    sizes = rng.multinomial(items, weights / weights.sum())
    names = np.repeat(np.arange(clusters), sizes)
    rng.shuffle(names)
    doubt = rng.random(clusters, dtype=np.float32)
    np.save(folder / "margins.npy", (doubt[names] + rng.random(items, dtype=np.float32)) / 2)
    np.save(folder / "clusters.npy", names)
    return clusters


# --- What is measured ---------------------------------------------------------------------------------------------


Picked = tuple[np.ndarray, np.ndarray]  # indices, passes


def ours(margins: np.ndarray, clusters: np.ndarray, batch: int, factor: float, seed: int) -> Picked:
    from selector.cluster_margin import select

    rng = np.random.default_rng(seed)
    selection = select(margins, clusters, batch_size=batch, candidate_factor=factor, rng=rng)
    return selection.indices, selection.passes


def plain_numpy(margins: np.ndarray, clusters: np.ndarray, batch: int, factor: float, seed: int) -> Picked:
    """Run the method with numpy's sorts: a random position within its group is the pass that draws an item."""
    rng = np.random.default_rng(seed)
    count = min(round(factor * batch), len(margins))
    candidates = np.argpartition(margins, count - 1)[:count]
    _, group, sizes = np.unique(clusters[candidates], return_inverse=True, return_counts=True)
    place = np.empty_like(sizes)
    place[np.lexsort((rng.permutation(len(sizes)), sizes))] = np.arange(len(sizes))
    shuffled = rng.permutation(count)
    by_group = shuffled[np.argsort(group[shuffled], kind="stable")]
    passes = np.empty_like(group)
    passes[by_group] = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    drawn = np.lexsort((place[group], passes))[:batch]
    return candidates[drawn], passes[drawn]


PEERS: dict[str, Callable[..., Picked]] = {"selector": ours, "plain numpy": plain_numpy}


def by_strategy(arrays: dict[str, np.ndarray], strategy: str, batch: int, seed: int) -> np.ndarray:
    from selector.strategies import STRATEGIES, PoolArrays, pick

    pool = PoolArrays(size=len(arrays["margins"]), **{name: arrays[name] for name in STRATEGIES[strategy].needs})
    return pick(strategy, pool, batch_size=batch, candidate_factor=10, rng=np.random.default_rng(seed)).indices


def by_plain_numpy(arrays: dict[str, np.ndarray], strategy: str, batch: int, seed: int) -> np.ndarray:
    """Pick by CoreSet and BADGE in a line or two per step, and by sorting for the other strategies."""
    rng, n = np.random.default_rng(seed), len(arrays["margins"])
    if strategy in ("margin", "entropy"):
        return np.argsort(arrays["margins"] if strategy == "margin" else -arrays["entropies"])[:batch]
    if strategy not in ("coreset", "badge"):
        return rng.permutation(n)[:batch]
    h, chosen = arrays["embeddings"], [int(rng.integers(n))]
    a = arrays["errors"] if strategy == "badge" else np.ones((n, 1), np.float32)
    lengths, nearest = (a**2).sum(axis=1) * (h**2).sum(axis=1), np.full(n, np.inf, np.float32)
    while len(chosen) < batch:
        last = chosen[-1]
        distances = lengths + lengths[last] - 2 * (a @ a[last]) * (h @ h[last])
        nearest = np.minimum(nearest, np.maximum(distances, 0))
        nearest[chosen] = 0
        weights = nearest / nearest.sum(dtype=np.float64)
        chosen.append(int(nearest.argmax()) if strategy == "coreset" else int(rng.choice(n, p=weights)))
    return np.array(chosen)


def measure(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return the seconds, the rise of the process's peak memory in MB, and the result of the call."""
    before = peak_bytes()
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, (peak_bytes() - before) / MEGABYTE, result


def select_run(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    margins, clusters = np.load(folder / "margins.npy"), np.load(folder / "clusters.npy")
    pick = PEERS[args.run]
    first, _, _ = measure(lambda: pick(margins[:SMALL], clusters[:SMALL], SMALL // 2, 1.5, 0))
    runs = [measure(lambda: pick(margins, clusters, args.batch, args.candidate_factor, args.seed)) for _ in range(3)]
    indices, passes = runs[0][2]
    return {
        "seconds": statistics.median(run[0] for run in runs),
        "all_seconds": [run[0] for run in runs],
        "first_call_seconds": first,
        "peak_mb": runs[0][1],
        "picked": len(np.unique(indices)),
        "a_pass": np.bincount(passes).tolist(),
    }


def strategy_run(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    small = {name: array[:SMALL] for name, array in arrays.items()}
    peer, strategy = args.run.split(":")
    pick = {"selector": by_strategy, "plain numpy": by_plain_numpy}[peer]
    first, _, _ = measure(lambda: pick(small, strategy, 5, 0))
    seconds, peak, indices = measure(lambda: pick(arrays, strategy, args.batch, args.seed))
    return {"seconds": seconds, "first_call_seconds": first, "peak_mb": peak, "picked": len(np.unique(indices))}


def stream_run(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Compute the margins of features.npy with an untrained network with random weights."""
    import torch

    from models_store.model import Model
    from models_store.networks import for_shape
    from models_store.prediction import predict

    features = np.load(folder / "features.npy", mmap_mode="r")
    torch.manual_seed(args.seed)
    network: Any = for_shape((args.dim,), args.classes).eval()
    torch.nn.init.normal_(network.head.weight, std=0.1)
    model = Model("single", args.classes, (args.dim,), network)

    def margins_of(rows: np.ndarray) -> np.ndarray:
        margins = np.empty(len(rows), np.float32)
        for part in predict(model, rows):
            margins[part.start : part.start + len(part.margins)] = part.margins
        return margins

    first, _, _ = measure(lambda: margins_of(features[:SMALL]))
    seconds, peak, margins = measure(lambda: margins_of(features))
    return {"seconds": seconds, "first_call_seconds": first, "peak_mb": peak, "mean_margin": float(margins.mean())}


# --- Running and telling ------------------------------------------------------------------------------------------


def in_a_process(folder: Path, args: argparse.Namespace, run: str) -> dict[str, Any]:
    options = {
        "items": args.items, "batch": args.batch, "candidate-factor": args.candidate_factor, "dim": args.dim,
        "seed": args.seed, "classes": args.classes,
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.selection", "--run", run, "--folder", str(folder)]
    command += [f"--{name}={value}" for name, value in options.items() if value is not None]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    return {"name": run, **json.loads(process.stdout)}


def about(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    return {"benchmark": "selection", **{name: getattr(args, name) for name in names}, **machine}


def select_benchmark(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    clusters = make_pool(folder, args.items, args.mean_cluster_size, args.seed)
    inputs = sum(np.load(path, mmap_mode="r").nbytes for path in folder.glob("*.npy")) / MEGABYTE
    runs = [in_a_process(folder, args, name) for name in PEERS]
    # The candidates decide how many items each pass takes. That peers agree on it says that both did the same.
    a_pass = [run.pop("a_pass") for run in runs]
    return {
        **about(args, "items", "batch", "candidate_factor", "mean_cluster_size", "seed"),
        "clusters": clusters,
        "inputs_mb": inputs,
        "passes": len(a_pass[0]),
        "peers_agree": all(other == a_pass[0] for other in a_pass),
        "runs": runs,
    }


def strategies_benchmark(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    make_pool(folder, args.items, args.mean_cluster_size, args.seed)
    rng = np.random.default_rng(args.seed)
    centres = rng.normal(size=(1000, args.dim))[rng.integers(1000, size=args.items)]
    np.save(folder / "embeddings.npy", (centres + rng.normal(size=centres.shape)).astype(np.float32))
    p = rng.dirichlet(np.full(args.dim, 0.05), size=args.items)
    np.save(folder / "entropies.npy", -(p * np.log(np.maximum(p, 1e-30))).sum(axis=1).astype(np.float32))
    p[np.arange(args.items), p.argmax(axis=1)] -= 1
    np.save(folder / "errors.npy", p.astype(np.float32))
    return {
        **about(args, "items", "batch", "dim", "seed"),
        "runs": [
            in_a_process(folder, args, f"{peer}:{name}")
            for name in args.strategies.split(",")
            for peer in (("selector",) if name == "cluster-margin" else ("selector", "plain numpy"))
        ],
    }


def stream_benchmark(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    rng = np.random.default_rng(args.seed)
    features = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float32, (args.items, args.dim))
    for start in range(0, args.items, 10_000):
        features[start : start + 10_000] = rng.normal(size=features[start : start + 10_000].shape)
    features.flush()
    run = in_a_process(folder, args, "stream")
    return {
        **about(args, "items", "classes", "dim", "seed"),
        "features_mb": features.nbytes / MEGABYTE,
        "matrix_mb": args.items * args.classes * 4 / MEGABYTE,
        "runs": [run],
        # Each item costs the same: this is a product, not a measurement.
        "extrapolated_seconds_for_10000000_items": run["seconds"] / args.items * 10_000_000,
    }


def tell(result: dict[str, Any]) -> None:
    """Print the result as a table."""
    if "classes" in result:
        print(f"Margins of {result['items']:,} items by a network of {result['classes']:,} classes")
        print(f"A matrix of pool × classes would take {result['matrix_mb']:,.0f} MB.")
    elif "clusters" not in result:
        print(f"{result['batch']:,} of {result['items']:,} items, {result['dim']} numbers an embedding and an error")
    else:
        print(f"{result['batch']:,} of {result['items']:,} items in {result['clusters']:,} clusters, k_m = "
              f"{min(result['items'], round(result['batch'] * result['candidate_factor'])):,}")  # fmt: skip
        print(f"Inputs {result['inputs_mb']:,.0f} MB; peers agree on every pass: {result['peers_agree']}")
    print(f"\n{'':<26}{'seconds':>10}{'first call':>12}{'peak extra MB':>15}")
    for run in result["runs"]:
        print(f"{run['name']:<26}{run['seconds']:>10.2f}{run['first_call_seconds']:>12.2f}{run['peak_mb']:>15,.0f}")
    if "extrapolated_seconds_for_10000000_items" in result:
        hours = result["extrapolated_seconds_for_10000000_items"] / 3600
        print(f"\nFor 10,000,000 items that is {hours:.1f} hours, extrapolated: each item costs the same.")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, help="Default: a tenth of the items.")
    parser.add_argument("--candidate-factor", type=float, default=10.0)
    parser.add_argument("--mean-cluster-size", type=float, default=10.0)
    parser.add_argument("--strategies", metavar="A,B,…", help="Compare these instead.")
    parser.add_argument("--classes", type=int, help="Stream margins from a network of so many classes instead.")
    parser.add_argument("--dim", type=int, default=64, help="Numbers an item, for the last two.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.batch = args.batch or max(1, args.items // 10)
    if not 1 <= args.batch <= args.items or args.candidate_factor < 1 or args.mean_cluster_size < 1:
        parser.error("a batch has from 1 to all items; candidate factor and mean cluster size are at least 1")
    return args


def main() -> None:
    args = arguments()
    if args.run:
        run = stream_run if args.run == "stream" else strategy_run if ":" in args.run else select_run
        print(json.dumps(run(args.folder, args)))
        return
    benchmark = stream_benchmark if args.classes else strategies_benchmark if args.strategies else select_benchmark
    with tempfile.TemporaryDirectory() as folder:
        result = benchmark(Path(folder), args)
    print(json.dumps(result)) if args.json else tell(result)


if __name__ == "__main__":
    main()
