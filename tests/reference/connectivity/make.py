"""Writes the reference values of the connectivity tests: python make.py OUTDIR.

Series are made by the formulas that stages/connectivity/test_data.hpp repeats. Made with nilearn 0.14.1,
scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6, bctpy 0.6.1, networkx 3.6.1.
"""
import sys
import warnings

import numpy as np
from nilearn.connectome import ConnectivityMeasure, sym_matrix_to_vec
from scipy.stats import spearmanr
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


warnings.simplefilter("error", RuntimeWarning)
matrices()
tangent()
