"""How long clustering a large pool takes, and how much memory, beside what faiss takes for the neighbour graph alone.

    python -m benchmarks.clustering --items 1000000 --dim 64
    python -m benchmarks.clustering --items 10000000 --dim 64 --no-faiss
    python -m benchmarks.clustering --growth 100000,400000,1000000,4000000
    python -m benchmarks.clustering --vectors embeddings.npy

Each figure comes from a process of its own, which reads the vectors through a memory map and has made a small call
before (which compiles, or loads compiled code). faiss searches with inverted lists, whose number and how many of which
are looked at are chosen on a sample so that it is as quick as it can be at the recall that our graph has.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import POOLS, in_a_process, machine, make_embeddings, peak_bytes, timed

MODULE = "benchmarks.clustering"
NEIGHBOURS = 16
QUERIES = 2000
SMALL = 1500  # items in the call before


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    rows = np.array(vectors, np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths == 0, 1, lengths)


def cluster_run(vectors: np.ndarray, args: argparse.Namespace) -> dict[str, Any]:
    from selector.linkage import average_linkage

    average_linkage(np.random.default_rng(0).normal(size=(SMALL, vectors.shape[1])))
    before = peak_bytes()
    phases: list[str] = []
    seconds, dendrogram = timed(
        lambda: average_linkage(vectors, metric=args.metric, progress=lambda phase, share: phases.append(phase))
    )
    cut_seconds, clusters = timed(lambda: dendrogram.cut(mean_cluster_size=10))
    return {
        "seconds": seconds,
        "peak_bytes": peak_bytes(),
        "peak_bytes_before": before,
        "levels": sum(phase.startswith("finding") for phase in dict.fromkeys(phases)),
        "cut_seconds": cut_seconds,
        "clusters_at_mean_size_10": int(clusters.max()) + 1,
        "digest": dendrogram.digest,
    }


def graph_run(vectors: np.ndarray, args: argparse.Namespace) -> dict[str, Any]:
    """Measure our neighbour graph: its time, and the share of a sample's true neighbours that it has."""
    from selector.compiled import Threads
    from selector.neighbours import nearest_neighbours

    rows = unit_rows(vectors)
    with Threads() as threads:
        for some in (rows[:SMALL], rows):  # the first call compiles
            spread = np.zeros(len(some))
            seconds, (ids, _) = timed(
                lambda: nearest_neighbours(some, spread, min(NEIGHBOURS, len(some) - 1), seed=0, threads=threads)  # noqa: B023
            )
    queries, truth = true_neighbours(rows)
    return {"seconds": seconds, "recall": recall(truth, ids[queries])}


def true_neighbours(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw a sample of rows; return it with each row's NEIGHBOURS nearest rows, by faiss's exhaustive search."""
    import faiss

    queries = np.random.default_rng(1).choice(len(rows), min(QUERIES, len(rows)), replace=False)
    neighbours = faiss.knn(rows[queries], rows, NEIGHBOURS + 1, metric=faiss.METRIC_INNER_PRODUCT)[1]
    return queries, without_self(neighbours, queries)


def without_self(neighbours: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Remove the row itself from its neighbours; if duplicates displaced it, remove the last neighbour."""
    itself = neighbours == queries[:, None]
    itself[~itself.any(axis=1), -1] = True
    return neighbours[~itself].reshape(len(neighbours), -1)


def recall(truth: np.ndarray, neighbours: np.ndarray) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in zip(truth, neighbours, strict=True)]))


def faiss_run(vectors: np.ndarray, args: argparse.Namespace) -> dict[str, Any]:
    import faiss

    faiss.omp_set_num_threads(machine()["cores"])
    rows = unit_rows(vectors)
    queries, truth = true_neighbours(rows)

    def build(lists: int) -> Any:
        index = faiss.index_factory(rows.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
        index.train(rows[np.random.default_rng(2).permutation(len(rows))[: 64 * lists]])
        index.add(rows)
        return index

    best: dict[str, Any] = {}
    for lists in {max(1, round(factor * len(rows) ** 0.5)) for factor in (1, 2, 4)}:
        build_seconds, index = timed(lambda: build(lists))  # noqa: B023
        for probes in (2**power for power in range(11)):
            index.nprobe = min(probes, lists)
            seconds, (_, neighbours) = timed(lambda: index.search(rows[queries], NEIGHBOURS + 1))  # noqa: B023
            reached = recall(truth, without_self(neighbours, queries))
            if reached >= args.recall or probes >= lists:
                break
        expected = build_seconds + seconds * len(rows) / len(queries)
        if not best or expected < best["expected_seconds"]:
            best = {"lists": lists, "probes": index.nprobe, "expected_seconds": expected, "recall": reached}

    def cluster_all() -> None:
        index = build(best["lists"])
        index.nprobe = best["probes"]
        for start in range(0, len(rows), 1 << 16):
            index.search(rows[start : start + (1 << 16)], NEIGHBOURS + 1)

    seconds, _ = timed(cluster_all)
    return {**best, "seconds": seconds}


RUNS = {"cluster": cluster_run, "graph": graph_run, "faiss": faiss_run}


def benchmark(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    vectors = np.load(path, mmap_mode="r")
    options = {"vectors": path, "metric": args.metric}
    result: dict[str, Any] = {"items": len(vectors), "dim": vectors.shape[1], "metric": args.metric}
    result["clustering"] = in_a_process(MODULE, run="cluster", **options)
    if args.faiss:
        result["graph"] = in_a_process(MODULE, run="graph", **options)
        result["faiss"] = in_a_process(MODULE, run="faiss", recall=result["graph"]["recall"], **options)
        result["seconds_as_share_of_faiss"] = result["clustering"]["seconds"] / result["faiss"]["seconds"]
    return result


def tell(result: dict[str, Any]) -> None:
    """Print the result as a table."""
    for run in result["runs"]:
        ours = run["clustering"]
        print(f"{run['items']:,} × {run['dim']}, {run['metric']}: {ours['seconds']:.1f} s from vectors to dendrogram")
        print(f"  peak {ours['peak_bytes'] / 1e9:.2f} GB, {ours['levels']} levels; a cut {ours['cut_seconds']:.1f} s")
        if "faiss" in run:
            graph, peer = run["graph"], run["faiss"]
            print(f"  neighbour graph alone: ours {graph['seconds']:.1f} s at recall {graph['recall']:.3f}")
            looked_at = f"IVF{peer['lists']}, {peer['probes']} probed"
            print(f"  faiss {peer['seconds']:.1f} s at {peer['recall']:.3f} ({looked_at})")
            print(f"  the whole clustering takes {run['seconds_as_share_of_faiss']:.2f} × the time of faiss's graph")
    if "growth_exponent" in result:
        print(f"time grows as n^{result['growth_exponent']:.2f}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--pool", choices=POOLS, default="hierarchy")
    parser.add_argument("--vectors", type=Path, help="a .npy of your own instead of a made-up pool")
    parser.add_argument("--growth", help="several numbers of items, with commas: how does the time grow?")
    parser.add_argument("--metric", choices=("cosine", "sqeuclidean"), default="cosine")
    parser.add_argument("--faiss", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="for the made-up vectors; else a temporary one")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("--recall", type=float, default=0.95, help=argparse.SUPPRESS)
    args = parser.parse_args()
    try:
        args.sizes = [int(size) for size in args.growth.split(",")] if args.growth else [args.items]
    except ValueError:
        parser.error(f"--growth takes whole numbers with commas, not {args.growth!r}")
    if min(args.sizes) <= NEIGHBOURS or args.dim < 1:
        parser.error(f"there must be more than {NEIGHBOURS} items, of at least one dimension")
    if args.vectors and not args.vectors.is_file():
        parser.error(f"there is no file {args.vectors}")
    args.faiss = args.faiss and args.metric == "cosine" and not args.growth
    return args


def main() -> None:
    args = parse()
    if args.run:
        print(json.dumps(RUNS[args.run](np.load(args.vectors, mmap_mode="r"), args)))
        return
    result: dict[str, Any] = {"benchmark": "clustering", **machine(), "pool": args.pool, "seed": args.seed, "runs": []}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        if args.vectors:
            result |= {"pool": str(args.vectors)}
            result["runs"].append(benchmark(args.vectors, args))
        for size in [] if args.vectors else args.sizes:
            path = Path(folder) / "embeddings.npy"
            make_embeddings(path, size, args.dim, args.pool, args.seed)
            result["runs"].append(benchmark(path, args))
            print(f"{size:,} done", file=sys.stderr)
    if len(result["runs"]) > 1:
        points = [(run["items"], run["clustering"]["seconds"]) for run in result["runs"]]
        result["growth_exponent"] = float(np.polyfit(*np.log(np.array(points).T), 1)[0])
    print(json.dumps(result)) if args.json else tell(result)


if __name__ == "__main__":
    main()
