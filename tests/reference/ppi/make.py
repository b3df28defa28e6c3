"""Writes the reference values of the PPI tests: python make.py OUTDIR.

A literal evaluation, with dense matrices, of the published equations of SPM12's interaction (spm_peb_ppi, spm_PEB of
r7771 as described in their help and in Gitelman 2003): two-level model with known covariances, and the same model with
covariances estimated by Fisher scoring of the restricted likelihood until it stops. Regressions by numpy's lstsq or by
the textbook GLS formula. Series are made by the formulas that stages/ppi/test_data.hpp repeats. Made with numpy 2.4.6,
scipy 1.17.1, statsmodels 0.15.0.
"""
import sys

import numpy as np
import statsmodels.api as sm
from scipy.stats import gamma

out = sys.argv[1]
TR, NT, N, PAD = 2.0, 16, 60, 128
DT = TR / NT


def lcg(n, seed):
    x, v = seed, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


def canonical():
    t = np.arange(int(round(32 / DT)) + 1) * DT
    h = gamma.pdf(t, 6) - gamma.pdf(t, 16) / 6
    return h / h.sum()


hrf = canonical()


def conditions():
    u = np.zeros((N * NT, 2))
    for start, k in ((8, 0), (32, 1), (56, 0), (80, 1)):  # seconds
        u[int(start / DT):int((start + 12) / DT), k] = 1
    return u


def series():
    """Three regions: smooth wanderings, shared in part, and noise."""
    raw = lcg(3 * N, 11).reshape(3, N)
    x = np.empty((N, 3))
    for r in range(3):
        state = 0.0
        for i in range(N):
            state = 0.7 * state + raw[r, i] - 0.5
            x[i, r] = state
    return np.column_stack([100 + x[:, 0], 101 + 0.5 * x[:, 0] + x[:, 1], 99 + x[:, 2] - 0.3 * x[:, 1]])


def confounds():
    i = np.arange(N)
    return np.column_stack([np.cos(np.pi * (2 * i + 1) / (2 * N)), lcg(N, 5) - 0.5])


def dctmtx(n, k):
    i = np.arange(n)
    c = np.empty((n, k))
    c[:, 0] = 1 / np.sqrt(n)
    for j in range(1, k):
        c[:, j] = np.sqrt(2 / n) * np.cos(np.pi * (2 * i + 1) * j / (2 * n))
    return c


def basis(sample_bin):
    xb = dctmtx(N * NT + PAD, N)
    hxb = np.column_stack([np.convolve(xb[:, j], hrf)[PAD + sample_bin + np.arange(N) * NT] for j in range(N)])
    return xb[PAD:], hxb


def peb_known(y, x, x0, noise, prior):
    """spm_PEB with two levels, the second design zero, both covariances known (flat 1e6 on the confounds)."""
    m = x0.shape[1]
    xx = np.vstack([np.hstack([x, x0, np.zeros((len(y), 1))]), np.hstack([np.eye(x.shape[1] + m), np.zeros((x.shape[1] + m, 1))]),
                    np.eye(1, x.shape[1] + m + 1, x.shape[1] + m)])
    yy = np.concatenate([y, np.zeros(x.shape[1] + m), [1.0]])
    ce = np.diag(np.concatenate([np.full(len(y), noise + 1e-6), np.full(x.shape[1], prior + 1e-6), np.full(m, 1e6 + 1e-6), [1e-9]]))
    ic = np.linalg.inv(ce)
    b = np.linalg.solve(xx.T @ ic @ xx, xx.T @ ic @ yy)
    return b[:x.shape[1]]


def reml(y, x, x0):
    """Noise and prior variance: Fisher scoring of the restricted likelihood on the logarithms, confounds flat."""
    q = [np.eye(len(y)), x @ x.T]
    h = np.log([np.var(y) / 2, np.var(y) / 2 / np.mean(np.diag(q[1]))])
    for _ in range(500):
        v = np.exp(h[0]) * q[0] + np.exp(h[1]) * q[1]
        vi = np.linalg.inv(v)
        p = vi - vi @ x0 @ np.linalg.solve(x0.T @ vi @ x0, x0.T @ vi)
        pq = [p @ (np.exp(h[i]) * q[i]) for i in range(2)]
        g = np.array([-np.trace(a) / 2 + y @ a @ p @ y / 2 for a in pq])
        f = np.array([[np.trace(a @ b) / 2 for b in pq] for a in pq])
        step = np.linalg.solve(f, g)
        h = h + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-12:
            break
    return np.exp(h)


def conditional_mean(y, x, x0, s, p):
    v = s * np.eye(len(y)) + p * x @ x.T
    vi = np.linalg.inv(v)
    g = np.linalg.solve(x0.T @ vi @ x0, x0.T @ vi @ y)
    return p * x.T @ vi @ (y - x0 @ g)


def centred(a):
    return a - a.mean(axis=0)


def save(name, a):
    np.savetxt(f"{out}/{name}", a, fmt="%.12g", delimiter="\t")


y, x0, u = series(), np.column_stack([np.ones(N), confounds()]), conditions()

# SPM's own: volumes at bin 0, fixed variances
xb, hxb = basis(0)
known = [centred(xb @ peb_known(y[:, r], hxb, x0, 0.25, N / np.trace(hxb.T @ hxb))) for r in range(2)]
save("neural_spm.tsv", np.column_stack(known))

# Estimated variances, volumes at bin 7, all of them and a part
keep = np.ones(N, bool)
keep[[0, 20, 21, 45]] = False
xb, hxb = basis(7)
columns, variances = [], []
for rows in (np.ones(N, bool), keep):
    s, p = reml(y[rows, 0], hxb[rows], x0[rows])
    variances.append([s, p])
    columns.append(centred(xb @ conditional_mean(y[rows, 0], hxb[rows], x0[rows], s, p)))
save("neural_reml.tsv", np.column_stack(columns))
save("variances_reml.tsv", variances)


def sampled(micro):
    return np.column_stack([np.convolve(c, hrf)[7 + np.arange(N) * NT] for c in micro.T])


def question(seed, target, c, rows, centre, neural, rho):
    uu = centred(u) if centre else u
    yr = y[rows]
    if neural == "none":
        clean = yr[:, seed] - x0[rows] @ np.linalg.lstsq(x0[rows], yr[:, seed], rcond=None)[0]
        inter = sampled(uu)[rows] * clean[:, None]
    else:
        s, p = reml(yr[:, seed], hxb[rows], x0[rows]) if neural == "reml" else (0.25, N / np.trace(hxb[rows].T @ hxb[rows]))
        n = centred(xb @ conditional_mean(yr[:, seed], hxb[rows], x0[rows], s, p))
        inter = sampled(uu * n[:, None])[rows]
    x = np.column_stack([sampled(u)[rows], inter, yr[:, seed], x0[rows]])
    w = np.zeros(x.shape[1])
    w[2:4] = c
    at = np.flatnonzero(rows)
    fit = sm.GLS(yr[:, target], x, sigma=rho ** np.abs(at[:, None] - at[None])).fit() if rho else sm.OLS(yr[:, target], x).fit()
    t = fit.t_test(w)
    return [t.effect[0], t.sd[0, 0] ** 2, t.tvalue[0, 0], fit.df_resid]


table = []
for centre, neural, rows, rho in ((True, "reml", np.ones(N, bool), 0), (False, "reml", np.ones(N, bool), 0), (True, "spm", np.ones(N, bool), 0),
                                  (True, "none", np.ones(N, bool), 0), (True, "reml", keep, 0.3)):
    for seed, target in ((0, 1), (1, 0), (0, 2)):
        for c in ((1, -1), (0.5, 0.5)):
            table.append(question(seed, target, c, rows, centre, neural, rho))
save("ppi.tsv", table)

voxels = lcg(40 * 12, 3).reshape(12, 40).T + np.outer(np.sin(np.arange(40) / 3), np.linspace(-0.2, 1, 12))
nuisance = np.column_stack([np.ones(40), np.arange(40) / 40])
eigen = []
for v in (voxels,):
    n = nuisance[:len(v)]
    a = v - n @ np.linalg.lstsq(n, v, rcond=None)[0]
    left, s, right = np.linalg.svd(a, full_matrices=False)
    d = np.sign(right[0].sum())
    eigen.append(d * left[:, 0] * s[0] / np.sqrt(v.shape[1]))
save("eigenvariate_tall.tsv", eigen[0])
wide = (lcg(12 * 40, 4).reshape(40, 12) + np.outer(np.linspace(-0.2, 1, 40), np.cos(np.arange(12)))).T
n = nuisance[:12]
a = wide - n @ np.linalg.lstsq(n, wide, rcond=None)[0]
left, s, right = np.linalg.svd(a, full_matrices=False)
save("eigenvariate_wide.tsv", np.sign(right[0].sum()) * left[:, 0] * s[0] / np.sqrt(40))
