"""Real tables of other people's cohorts through `stage connectivity` and `stage qc_fc`: region series of 90 people with repeated
names and unequal lengths, every kind beside numpy; edges of 265 people of four sites."""
import glob
import gzip
import os
import sys

import numpy as np
from support import SOURCE, Scratch, check, run

DATA = os.environ.get("BOLDMILL_TEST_DATA", os.path.join(SOURCE, "../shared/data"))
RPN, ABIDE = f"{DATA}/cohorts/rpn-signature", f"{DATA}/cohorts/abide1-fc-schaefer200"


def read(path, text_columns=1):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        header, *rows = [line.rstrip("\n").split("\t") for line in file]
    values = np.array([[np.nan if c == "n/a" else float(c) for c in row[text_columns:]] for row in rows])
    return header[text_columns:], [row[:text_columns] for row in rows], values


def ledoit_wolf(x):
    """Ledoit & Wolf 2004 as scikit-learn's ledoit_wolf_shrinkage (1.7), on centred data."""
    x = x - x.mean(0)
    n, p = x.shape
    s = x.T @ x / n
    mu = np.trace(s) / p
    delta = ((s - mu * np.eye(p)) ** 2).sum() / p
    beta = ((x ** 2).T @ (x ** 2) / n - s ** 2).sum() / (n * p)
    shrinkage = min(beta, delta) / delta
    return (1 - shrinkage) * s + shrinkage * mu * np.eye(p)


def correlation_of(c):
    d = 1 / np.sqrt(np.diag(c))
    r = c * np.outer(d, d)
    np.fill_diagonal(r, 1)
    return r


def partial_of(precision):
    r = -correlation_of(precision)
    np.fill_diagonal(r, 1)
    return r


def standardised(x):
    return (x - x.mean(0)) / x.std(0)


def spearman(x):
    from scipy.stats import rankdata
    return np.corrcoef(np.apply_along_axis(rankdata, 0, x).T)


def lagged(x, k=1):
    a, b = x[:-k], x[k:]
    a, b = (a - a.mean(0)) / a.std(0), (b - b.mean(0)) / b.std(0)
    return a.T @ b / len(a)


EXPECTED = {
    "correlation": lambda x: np.corrcoef(x.T),
    "spearman": spearman,
    "covariance": lambda x: np.cov(x.T, bias=True),
    "partial": lambda x: partial_of(np.linalg.inv(np.cov(x.T))),
    "precision": lambda x: np.linalg.inv(np.cov(x.T, bias=True)),
    "lagged": lambda x: lagged(x),
    "ledoit_wolf": lambda x: correlation_of(ledoit_wolf(standardised(x))),
    "ledoit_wolf_partial": lambda x: partial_of(np.linalg.inv(ledoit_wolf(x))),
    "ledoit_wolf_covariance": ledoit_wolf,
    "ledoit_wolf_precision": lambda x: np.linalg.inv(ledoit_wolf(x)),
}


def everybody(scratch, paths):
    stated = read(paths[0], 0)[0]
    check(stated[0] == "GlobSig", "the first column is the global signal, nearly the sum of the others")
    repeated = {name for name in stated if stated.count(name) > 1}
    check(len(repeated) == 4, f"the table repeats {repeated}")
    expected_names = [n + f"_{c + 1}" if n in repeated else n for c, n in enumerate(stated)][1:]
    lengths, largest, constant = set(), {}, 0
    for i, path in enumerate(paths):
        x = read(path, 0)[2][:, 1:].astype("f4").astype("f8")  # series are float
        lengths.add(len(x))
        # Each person with one kind and the plain correlation; every kind meets nine people.
        for kind in {"correlation", list(EXPECTED)[i % len(EXPECTED)]}:
            _, text = run("stage", "connectivity", path, "--kind", kind, "--leave-out", "GlobSig", "--out", scratch.path("m.tsv"),
                          expect=0)
            check("warning" in text and all(name in text for name in repeated), f"repeated names: {text}")
            names, nodes, ours = read(scratch.path("m.tsv"))
            check(names == expected_names and [n for n, in nodes] == names, f"{path}: names")
            varies = x.std(0) > 0  # outside the scanner's field of view a region is 0 throughout
            constant += not varies.all()
            check(ours.shape == (122, 122) and np.array_equal(np.isfinite(ours), np.outer(varies, varies)),
                  f"{path} {kind}: {ours.shape}, n/a exactly where a region is constant")
            expected = EXPECTED[kind](x[:, varies])
            error = np.abs(ours[np.ix_(varies, varies)] - expected).max() / max(1, np.abs(expected).max())
            # Denoised series of 122 regions are nearly dependent (condition up to 1e13): an inverse without shrinkage has
            # no more digits than that leaves.
            inverted = kind in ("partial", "precision")
            limit = 1e-5 + (1e-15 * np.linalg.cond(np.cov(x[:, varies].T)) if inverted else 0)
            check(error < limit, f"{path} {kind}: {error} from numpy, expected less than {limit}")
            largest[kind] = max(largest.get(kind, 0), error)
    print(f"{len(paths)} people of {sorted(lengths)} volumes:", {k: f"{v:.1e}" for k, v in sorted(largest.items())})
    check(len(paths) == 90 and lengths == {200, 290} and constant > 0, f"{len(paths)} people, {lengths}, {constant}")


def tangent(scratch, paths):
    """The group's tangent space: its mean is the geometric one (the whitened logarithms cancel)."""
    run("stage", "connectivity", *paths, "--kind", "tangent", "--leave-out", "GlobSig", "--out", scratch.path("t.tsv"), expect=0)
    names, source, ours = read(scratch.path("t.tsv"))
    check([name for name, in source] == [os.path.basename(p) for p in paths], "one row a person, in order")
    varies = np.all([read(path, 0)[2].std(0) > 0 for path in paths], 0)
    regions = int(varies[1:].sum())
    check(ours.shape == (90, regions * (regions + 1) // 2) and np.isfinite(ours).all(),
          f"{ours.shape}, expected the edges of the {regions} regions that vary in everybody")
    residual = np.abs(ours.mean(0)).max()
    print(f"tangent of 90 people: largest mean {residual:.1e}")
    check(residual < 1e-4, f"the mean of the tangent vectors is {residual}, expected 0")

    # Few people and regions beside numpy: the fixed point of mean(log(G^-1/2 C G^-1/2)) = 0.
    few, regions = paths[::15], 20
    some = np.flatnonzero(varies)[1:regions + 1]
    small, covariances = [], []
    for i, path in enumerate(few):
        header, _, x = read(path, 0)
        small.append(scratch.path(f"p{i}.tsv"))
        with open(small[-1], "w", encoding="utf-8") as file:
            for row in [[f"r{c}" for c in range(regions)]] + [[repr(v) for v in row[some]] for row in x]:
                file.write("\t".join(row) + "\n")
        covariances.append(ledoit_wolf(x[:, some]))

    def power(m, f):
        w, v = np.linalg.eigh(m)
        return (v * f(w)) @ v.T

    mean = np.mean(covariances, 0)
    for _ in range(100):
        half, inverse = power(mean, np.sqrt), power(mean, lambda w: 1 / np.sqrt(w))
        step = np.mean([power(inverse @ c @ inverse, np.log) for c in covariances], 0)
        mean = half @ power(step, np.exp) @ half
    inverse = power(mean, lambda w: 1 / np.sqrt(w))
    lower = np.tril_indices(regions)
    scale = np.where(lower[0] == lower[1], 1 / np.sqrt(2), 1)
    expected = np.array([power(inverse @ c @ inverse, np.log)[lower] * scale for c in covariances])
    run("stage", "connectivity", *small, "--kind", "tangent", "--out", scratch.path("s.tsv"), expect=0)
    error = np.abs(read(scratch.path("s.tsv"))[2] - expected).max()
    print(f"tangent of {len(few)} people and {regions} regions: {error:.1e} from numpy")
    check(error < 1e-4, f"tangent: {error}")


def edges_of_four_sites(scratch):
    """Edges and people load as a cohort; QC-FC beside numpy."""
    with open(f"{ABIDE}/participants.tsv", encoding="utf-8") as file:
        columns, *people = [line.rstrip("\n").split("\t") for line in file]
    motion = {row[0]: row[columns.index("mean_fd")] for row in people}
    rows, names = [], None
    for path in sorted(glob.glob(f"{ABIDE}/site-*_fc.tsv.gz")):
        header, who, values = read(path)
        check(names in (None, header) and len(header) == 19900, f"{path}: the edges of every site")
        names = header
        rows += [(person, row) for (person,), row in zip(who, values)]
    rows = [(person, row[::50]) for person, row in rows]
    check(len(rows) == 265 and all(person in motion for person, _ in rows), f"{len(rows)} people")
    with open(scratch.path("edges.tsv"), "w", encoding="utf-8") as file:
        file.write("\t".join(names[::50]) + "\n")
        file.writelines("\t".join("n/a" if np.isnan(v) else repr(float(v)) for v in row) + "\n" for _, row in rows)
    with open(scratch.path("people.tsv"), "w", encoding="utf-8") as file:
        file.write("participant_id\tmean_fd\n")
        file.writelines(f"{person}\t{motion[person]}\n" for person, _ in rows)
    run("stage", "qc_fc", scratch.path("edges.tsv"), "--people", scratch.path("people.tsv"), "--motion", "mean_fd", "--out",
        scratch.path("q.tsv"), "--summary", scratch.path("summary.tsv"), expect=0)
    _, edges, values = read(scratch.path("q.tsv"))
    check([e for e, in edges] == names[::50], "edges by name")
    x = np.array([row for _, row in rows])
    fd = np.array([np.nan if motion[person] == "n/a" else float(motion[person]) for person, _ in rows])
    use = np.isfinite(fd)
    # The files as they are, joined with the people by name: every edge of all four sites.
    files = sorted(glob.glob(f"{ABIDE}/site-*_fc.tsv.gz"))
    run("stage", "qc_fc", *files, "--people", f"{ABIDE}/participants.tsv", "--motion", "mean_fd", "--permutations", 9, "--out",
        scratch.path("all.tsv"), "--summary", scratch.path("all_summary.tsv"), expect=0)
    _, all_edges, whole = read(scratch.path("all.tsv"))
    check([e for e, in all_edges] == names, "every edge by name")
    expected = np.array([np.corrcoef(column[use], fd[use])[0, 1] for column in x.T])
    error = np.nanmax(np.abs(values[:, 0] - expected))
    print(f"QC-FC of {x.shape[1]} edges and {len(rows)} people: {error:.1e} from numpy")
    check(error < 1e-5, f"QC-FC: {error}")
    check(np.nanmax(np.abs(whole[::50, 0] - values[:, 0])) < 1e-6, "the same edges of the files as they are")
    # A prediction from them: fitted inside the folds, the site left out, of people in another table.
    text = run("stage", "predict", *files, "--people", f"{ABIDE}/participants.tsv", "--target", "age", "--site", "site", "--model", "ridge",
               "--features", *names[:400:2], "--cv", "leave_site_out", "--n-permutations", 0, "--n-repeats", 1, "--out",
               scratch.path("predicted"), expect=0)[1]
    check("cannot" in text or "does not tell" in text, text)
    _, who, predicted = read(scratch.path("predicted", "predictions.tsv"))
    check(len(who) == 265 and np.isfinite(predicted[:, 1]).sum() > 250, f"{predicted.shape}")
    code, text = run("stage", "predict", *files, "--people", f"{ABIDE}/regions.tsv", "--target", "age", "--out", scratch.path("no"))
    check(code != 0 and "participant_id" in text, f"{code}: {text}")


if not os.path.isdir(RPN) or not os.path.isdir(ABIDE):
    print(f"skipped: no cohorts in {DATA}")
    sys.exit(77)
with Scratch() as scratch:
    series = sorted(glob.glob(f"{RPN}/timeseries/*.tsv.gz"))
    everybody(scratch, series)
    tangent(scratch, series)
    edges_of_four_sites(scratch)
