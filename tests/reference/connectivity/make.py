"""Writes the reference values of the connectivity tests: python make.py OUTDIR.

Series are made by the formulas that stages/connectivity/test_data.hpp repeats. Made with nilearn 0.14.1,
scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6, bctpy 0.6.1, networkx 3.6.1.
"""
import sys
import warnings

import bct
import networkx as nx
import numpy as np
from nilearn.connectome import ConnectivityMeasure, sym_matrix_to_vec
from scipy import signal
from scipy.stats import friedmanchisquare, spearmanr
from sklearn.covariance import EmpiricalCovariance, LedoitWolf

out = sys.argv[1]


def lcg(n, seed):
    x, v = seed, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


def series(T, R, seed):
    raw = lcg(T * R, seed).reshape(R, T)
    t = np.arange(T)
    x = np.empty((T, R))
    for r in range(R):
        state = 0.0
        for i in range(T):
            state = 0.5 * state + raw[r, i] - 0.5
            x[i, r] = state * (1 + 0.1 * r)
        x[:, r] += 100 + 0.25 * np.sin(2 * np.pi * t / 23) * np.cos(r) + 0.25 * np.cos(2 * np.pi * t / 9) * np.sin(2 * r)
    return x.astype(np.float32).astype(float)


def save(name, matrix, fmt="%.12g"):
    np.savetxt(f"{out}/{name}.tsv", np.atleast_2d(matrix), fmt=fmt, delimiter="\t")


def matrices():
    x = series(60, 12, 1)
    keep = np.ones(60, bool)
    keep[[0, 7, 8, 30, 59]] = False
    kept = x[keep]
    save("correlation", np.corrcoef(kept.T))
    coarse = np.round(kept, 1)  # ties
    save("spearman", spearmanr(coarse).statistic)
    plain = EmpiricalCovariance(store_precision=False)
    for name, kind, estimator in [
        ("covariance", "covariance", plain), ("precision", "precision", plain), ("partial", "partial correlation", plain),
        ("ledoit_wolf", "correlation", None), ("ledoit_wolf_covariance", "covariance", None),
        ("ledoit_wolf_precision", "precision", None), ("ledoit_wolf_partial", "partial correlation", None),
    ]:
        save(name, ConnectivityMeasure(estimator, kind=kind).fit_transform([kept])[0])
    z = (kept - kept.mean(0)) / kept.std(0, ddof=1)
    wide = series(20, 30, 2)  # fewer volumes than regions
    save("shrinkage", [LedoitWolf().fit(kept).shrinkage_, LedoitWolf().fit(z).shrinkage_, LedoitWolf().fit(wide).shrinkage_])
    for lag in (1, 3):
        pairs = [i for i in range(60 - lag) if keep[i] and keep[i + lag]]
        full = np.corrcoef(x[pairs].T, x[[i + lag for i in pairs]].T)
        save(f"lag{lag}", full[:12, 12:])


def tangent():
    people = [series(40 + 3 * k, 10, 10 + k) for k in range(9)] + [series(8, 10, 30)]
    for name, estimator, group in [("ledoit_wolf", None, people), ("sample", EmpiricalCovariance(store_precision=False), people[:9])]:
        measure = ConnectivityMeasure(estimator, kind="tangent").fit(group[:7])
        save(f"tangent_mean_{name}", measure.mean_)
        save(f"tangent_{name}", sym_matrix_to_vec(np.array(measure.transform(group))))

    people = [series(50, 70, 60 + k) for k in range(6)]
    measure = ConnectivityMeasure(kind="tangent").fit(people)
    tangents = measure.transform(people)
    norms = np.r_[[np.linalg.norm(t) for t in tangents], np.zeros(64)]
    save("tangent_large", np.vstack([np.diag(measure.mean_), *[np.diag(t) for t in tangents], norms]))


def censored(n=60):
    keep = np.ones(n, bool)
    keep[[0, 7, 8, 30, 59]] = False
    return keep


def columns():
    x, keep = series(60, 12, 1), censored()
    odd = series(61, 12, 1)
    seeds = series(60, 2, 8)
    save("seed_map", np.corrcoef(x[keep].T, seeds[keep].T)[:12, 12:])
    save("tsnr", np.c_[x[keep].mean(0) / x[keep].std(0)])
    save("gcor", np.corrcoef(x[keep].T).mean())

    def alff(x, keep, tr, low, high):
        n = len(x)
        rows = []
        for y in x.T:
            if keep.all():
                f, p = signal.periodogram((y - y.mean()) / y.std(), 1 / tr, scaling="spectrum")
            else:
                z = (y[keep] - y[keep].mean()) / y[keep].std()
                f = np.linspace(0, 0.5 / tr, n // 2 + 1)[1:]
                p = signal.lombscargle((np.arange(n) * tr)[keep], z, 2 * np.pi * f, normalize=True)
            a = np.sqrt(p)
            i, j = np.argmin(abs(f - low)), np.argmin(abs(f - high))
            rows.append([2 * a[i:j].mean() * y.std(), a[i:j].sum() / a[f > 0].sum()])
        return rows

    save("alff_all", alff(x, np.ones(60, bool), 2.0, 0.01, 0.08))
    save("alff_odd", alff(odd, np.ones(61, bool), 0.8, 0.05, 0.3))
    save("alff_censored", alff(x, keep, 2.0, 0.01, 0.08))
    save("alff_censored_odd", alff(odd, np.r_[keep, True], 2.0, 0.01, 0.08))


def reho():
    # 5 x 4 x 3 voxels, i fastest; ties by rounding
    T, shape = 24, (5, 4, 3)
    x = np.round(series(T, 60, 5), 1)
    mask = np.ones(60, bool)
    mask[[0, 7, 22, 23, 41, 58]] = False
    index = np.arange(60).reshape(shape, order="F")
    rows = []
    for v in np.flatnonzero(mask):
        at = np.argwhere(index == v)[0]
        row = []
        for reach in (1, 2, 3):
            near = [index[tuple(q)] for q in np.argwhere(index >= 0)
                    if abs(q - at).max() <= 1 and abs(q - at).sum() <= reach and mask[index[tuple(q)]]]
            chi2 = friedmanchisquare(*x[:, near]).statistic  # volumes are treatments, voxels are blocks
            row.append(chi2 / (len(near) * (T - 1)))
        rows.append(row)
    save("reho", rows)


def sliding_window():
    x = series(60, 6, 1)[censored()]
    lower = [(a, b) for a in range(6) for b in range(a + 1, 6)]

    def summary(weights, step):
        w = len(weights)
        z = []
        for first in range(0, len(x) - w + 1, step):
            c = np.cov(x[first:first + w].T, aweights=weights)
            d = np.sqrt(np.diag(c))
            z.append([np.arctanh(c[a, b] / d[a] / d[b]) for a, b in lower])
        return np.array([np.mean(z, 0), np.std(z, 0, ddof=1)])

    box = np.convolve(np.ones(15), signal.windows.gaussian(29, 3.0))[14:29]
    save("sliding_window", np.vstack([summary(np.ones(15), 1), summary(signal.windows.hamming(15), 2), summary(box, 4)]))


def graphs():
    x = series(80, 24, 40)
    x += 0.8 * x.std(0) * np.repeat(series(80, 4, 41) - 100, 6, axis=1)  # four groups of six
    signed = np.round(np.corrcoef(x.T), 6)
    np.fill_diagonal(signed, 0)
    save("graph", signed, "%.6f")
    sparse = bct.threshold_proportional(signed, 0.2)
    for name, w in (("signed", signed), ("sparse", sparse)):
        positive = w * (w > 0)
        best = max((bct.community_louvain(w, B="negative_asym", seed=s) for s in range(100)), key=lambda r: r[1])
        ci = best[0]
        nodes = np.c_[
            bct.strengths_und(positive), bct.strengths_und(-w * (w < 0)),
            np.array(bct.clustering_coef_wu_sign(w.copy(), "default")).T, np.array(bct.clustering_coef_wu_sign(w.copy(), "zhang")).T,
            bct.efficiency_wei(positive, local=True), np.array(bct.participation_coef_sign(w, ci)).T, ci,
        ]
        assert np.allclose(nodes[:, 2], bct.clustering_coef_wu(positive))
        assert np.allclose(nodes[:, 7], bct.participation_coef(positive, ci))
        g = nx.from_numpy_array(positive)
        q_networkx = nx.community.modularity(g, [set(np.flatnonzero(ci == c)) for c in np.unique(ci)])
        save(f"graph_{name}_nodes", nodes)
        save(f"graph_{name}", [bct.efficiency_wei(positive), best[1], q_networkx])


warnings.simplefilter("error", RuntimeWarning)
matrices()
tangent()
columns()
reho()
sliding_window()
warnings.simplefilter("ignore", RuntimeWarning)  # nodes without negative edges divide by zero in bctpy
graphs()
