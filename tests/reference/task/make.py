"""Reference values of stages/task: nilearn, statsmodels, scipy, and SPM's formulas evaluated with numpy.

    python make.py          (nilearn 0.14.1, statsmodels 0.15.0, scipy 1.17.1, numpy 2.4.6, pandas 3.1.1; seedless;
                            mixture*.tsv: scipy 1.15.3, numpy 2.3.5)

SPM's formulas are those of its documentation and of Friston 1998: the response of spm_hrf with parameters
6 16 1 1 6 0 32 on 16 bins of each bin, the derivatives and serial orthogonalisation of spm_get_bf, the boxes of
spm_get_ons with 32 bins before the run, the first-order convolution of spm_Volterra, taken at bin T0 of each volume.
"""

import warnings

import numpy as np
import pandas as pd
import scipy.linalg as linalg
import scipy.optimize as optimize
import scipy.stats as stats
import statsmodels.api as sm
from nilearn.glm.contrasts import _compute_fixed_effects_params, compute_contrast
from nilearn.glm.first_level import make_first_level_design_matrix, run_glm

warnings.simplefilter("ignore")

EVENTS = pd.DataFrame(
    [(-3.0, 4.0, "fear", 1.0, 2.0), (0.0, 10.0, "neutral", 1.0, 1.0), (11.3, 10.0, "fear", 1.0, 3.5), (20.0, 10.0, "neutral", 1.0, 2.0),
     (33.17, 0.0, "press", 1.0, 1.0), (40.0, 10.0, "fear", 0.5, 1.0), (45.0, 10.0, "fear", 2.0, 6.0), (61.4, 0.0, "press", 1.0, 3.0),
     (70.0, 10.0, "neutral", 1.0, 4.0), (88.05, 0.0, "press", 1.5, 2.0), (100.0, 10.0, "fear", 1.0, 2.5), (114.0, 30.0, "neutral", 1.0, 3.0)],
    columns=["onset", "duration", "trial_type", "modulation", "rating"])  # fmt: skip


def save(name, values, header=""):
    np.savetxt(name, values, fmt="%.15g", delimiter="\t", header=header, comments="")


# ---- SPM ----
def gpdf(x, h, l):
    return stats.gamma.pdf(x, h, scale=1 / l)


def spm_hrf(rt, p=(6, 16, 1, 1, 6, 0, 32), t=16):
    dt = rt / t
    u = np.arange(0, np.ceil(p[6] / dt) + 1) - p[5] / dt
    h = gpdf(u, p[0] / p[2], dt / p[2]) - gpdf(u, p[1] / p[3], dt / p[3]) / p[4]
    h = h[(np.arange(0, int(np.floor(p[6] / rt)) + 1) * t)]
    return h / h.sum()


def spm_orth(x):
    out = x[:, :1]
    for i in range(1, x.shape[1]):
        out = np.column_stack([out, x[:, i] - out @ (np.linalg.pinv(out) @ x[:, i])])
    return out


def spm_get_bf(dt):
    bf = spm_hrf(dt)
    time = bf - spm_hrf(dt, (6, 16, 1, 1, 6, 1, 32))
    dispersion = (bf - spm_hrf(dt, (6, 16, 1.01, 1, 6, 0, 32))) / 0.01
    return spm_orth(np.column_stack([bf, time, dispersion]))


def matlab_round(x):
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def spm_condition(e, bf, k, tr, t0, modulator=None, T=16):
    dt = tr / T
    u = np.ones((len(e), 1)) * e["modulation"].to_numpy()[:, None]
    if modulator is not None:
        centred = e[modulator].to_numpy() - e[modulator].mean()
        u = np.column_stack([u, u[:, 0] * centred])
    u = spm_orth(u)
    if not e["duration"].any():
        u = u / dt
    ton = matlab_round(e["onset"].to_numpy() / dt).astype(int) + 33
    tof = matlab_round(e["duration"].to_numpy() / dt).astype(int) + ton + 1
    sf = np.zeros((k * T + 128, u.shape[1]))
    ton, tof = np.maximum(ton, 1), np.maximum(tof, 1)
    for j in range(len(ton)):
        if len(sf) > ton[j]:
            sf[ton[j] - 1] += u[j]
        if len(sf) > tof[j]:
            sf[tof[j] - 1] -= u[j]
    sf = np.cumsum(sf, axis=0)[: k * T + 32]
    x = np.column_stack([np.convolve(sf[:, i], bf[:, p])[: len(sf)] for i in range(u.shape[1]) for p in range(bf.shape[1])])
    return spm_orth(x[np.arange(k) * T + t0 + 32 - 1])


def spm_design(k, tr, t0, n_basis, modulator=None):
    columns = []
    bf = spm_get_bf(tr / 16)[:, :n_basis]
    e = EVENTS[EVENTS.onset > -2 * tr]  # SPM's grid begins 32 bins before the run
    for name in sorted(e.trial_type.unique()):
        columns.append(spm_condition(e[e.trial_type == name], bf, k, tr, t0, modulator if name == "fear" else None))
    order = int(np.fix(2 * k * tr / 128 + 1)) - 1
    n = np.arange(k)
    for c in range(1, order + 1):
        columns.append(np.sqrt(2 / k) * np.cos(np.pi * (2 * n + 1) * c / (2 * k)))
    columns.append(np.ones(k))
    return np.column_stack(columns)


# ---- data of the fits: the congruential generator of the other references ----
def lcg(n, state):
    out = np.empty(n)
    for i in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out[i] = (state >> 40) / 16777216.0
    return out


def series(t, p):
    raw = lcg(t * p, 11).reshape(p, t) - 0.5
    y = np.empty((t, p), np.float32)
    for v in range(p):
        walk = 0.0
        slow = 0.02 * v
        for i in range(t):
            walk = slow * walk + raw[v, i]
            y[i, v] = 800 + 5 * v + 20 * walk + 6 * np.sin(2 * np.pi * (i + v) / 37)
    return y


def expected_ratio(rho, residual, t):
    v = linalg.toeplitz(rho ** np.arange(t)) @ residual
    shift = 0.5 * (np.eye(t, k=1) + np.eye(t, k=-1))
    return np.trace(residual @ shift @ residual @ v) / np.trace(residual @ v)


def neural(lag):
    """Correlation of pink activity seen through the canonical response."""
    f = np.arange(20, 4001) / 8000
    w = 1 + 2j * np.pi * f
    power = np.abs(w**-6.0 - w**-16.0 / 6) ** 2 / f
    flat, where = np.unique(np.round(lag, 6), return_inverse=True)
    return (np.cos(2 * np.pi * np.outer(flat, f)) @ (power / power.sum()))[where].reshape(lag.shape)


def mixture(x, time, y):
    """Weights and scale of one series, as METHOD.md states them, by plain loops."""
    n = len(time)
    basis = linalg.orth(x)
    z, frequency = np.empty((n, 0)), []
    for k in range(n):
        v = np.cos(np.pi / n * (np.arange(n) + 0.5) * k)
        v /= np.linalg.norm(v)
        known = np.column_stack([basis, z])
        v -= known @ np.linalg.lstsq(known, v, rcond=None)[0]
        if np.linalg.norm(v) < 1e-3 or known.shape[1] == n:
            continue
        v /= np.linalg.norm(v)
        v -= known @ np.linalg.lstsq(known, v, rcond=None)[0]
        z = np.column_stack([z, v / np.linalg.norm(v)])
        frequency.append(k)
    bounds = [frequency[0]]
    while bounds[-1] <= n:
        bounds.append(max(bounds[-1] + 1, int(bounds[-1] * 1.2)))
    band = np.searchsorted(bounds, frequency, side="right")
    power = (z.T @ y) ** 2
    lag = np.abs(time[:, None] - time[None])
    parts = [np.eye(n), np.exp(-lag / 2.0), neural(lag), np.exp(-lag / 20.0)]
    diagonal = [np.diag(z.T @ v @ z) for v in parts]
    bands = np.unique(band)
    nb = np.array([(band == b).sum() for b in bands])
    p = np.array([power[band == b].mean() for b in bands])
    m = np.array([[d[band == b].mean() for d in diagonal] for b in bands])
    best = (np.inf,)
    for a in range(11):
        for b in range(11 - a):
            for c in range(11 - a - b):
                w = np.array([max(10 - a - b - c, 0.2), a, b, c], float)
                w /= w.sum()
                e = m @ w
                s = (nb * p / e).sum() / nb.sum()
                cost = nb.sum() * np.log(s) + (nb * np.log(e)).sum()
                if cost < best[0]:
                    best = (cost, w, s)
    _, w, s = best
    v = sum(wi * vi for wi, vi in zip(w, parts))
    information = (m.T * (nb / 2 / (m @ w) ** 2)) @ m
    return w, s, v, parts, information


def fits():
    t, tr, p = 120, 2.0, 24
    x = spm_design(t, tr, 8, 1)
    y = series(t, p).astype(float)
    c = np.zeros((2, x.shape[1]))
    c[0, :2] = 1, -1  # fear - neutral
    c[1, 2] = 1  # press
    joint = np.vstack([c[0], c[1]])
    for model in ("ols", "ar1"):
        labels, results = run_glm(y, x, noise_model=model, n_jobs=1)
        rows = []
        for con in (c[0], c[1], joint):
            found = compute_contrast(labels, results, con)
            z = found.z_score()
            effect = found.effect if con.ndim == 1 else np.full(p, np.nan)
            rows.append(np.column_stack([effect, found.variance, found.stat_, z]))
        save(f"glm_{model}.tsv", np.hstack(rows))
    ols = sm.OLS(y[:, 5], x).fit()
    test, f = ols.t_test(c[0]), ols.f_test(joint)
    save("statsmodels_ols.tsv", [[test.effect[0], test.sd[0, 0], test.tvalue[0, 0], ols.df_resid, f.fvalue, f.pvalue]])
    # one rho for all columns
    residual = np.eye(t) - x @ np.linalg.pinv(x)
    e = residual @ y
    ratio = ((e[1:] * e[:-1]).sum(0) / (e * e).sum(0) * (t / (t - 1))).mean() * (t - 1) / t
    rho = optimize.brentq(lambda r: expected_ratio(r, residual, t) - ratio, -0.9, 0.97, xtol=1e-12)
    rows = []
    for v in range(p):
        g = sm.GLS(y[:, v], x, sigma=linalg.toeplitz(rho ** np.arange(t))).fit()
        a = g.t_test(c[0])
        rows.append([rho, a.effect[0], a.sd[0, 0] ** 2, a.tvalue[0, 0]])
    save("statsmodels_gls.tsv", rows)
    # mixture, whole and with a gap
    keep = np.ones(t, bool)
    keep[[7, 8, 9, 40, 77, 78]] = False
    for name, rows_kept in (("mixture", np.ones(t, bool)), ("mixture_gaps", keep)):
        time, xk = np.arange(t)[rows_kept] * tr, x[rows_kept]
        rows = []
        for v in range(p):
            w, s, cov, parts, information = mixture(xk, time, y[rows_kept, v])
            g = sm.GLS(y[rows_kept, v], xk, sigma=cov).fit()
            b = g.params @ c[0]
            unscaled = c[0] @ g.normalized_cov_params @ c[0]
            a = linalg.solve(cov, xk @ (g.normalized_cov_params @ c[0]), assume_a="pos")
            there = np.flatnonzero(w > 0)
            uncertainty = linalg.inv(information[np.ix_(there, there)])
            gradient = np.array([a @ parts[j] @ a for j in there])
            dof = min(len(time) - x.shape[1], 2 * (w[there] @ gradient) ** 2 / (gradient @ uncertainty @ gradient))
            inverse = linalg.inv(cov)
            projector = inverse - inverse @ xk @ linalg.solve(xk.T @ inverse @ xk, xk.T @ inverse)
            cross = np.array([[a @ parts[j] @ projector @ parts[k] @ a for k in there] for j in there])
            variance = s * (unscaled + 2 * (uncertainty * cross).sum())
            stat = b / np.sqrt(variance)
            rows.append([b, variance, stat, np.sign(stat) * stats.norm.isf(stats.t.sf(abs(stat), dof)), dof])
        save(f"{name}.tsv", rows)
    # fixed effects of three runs with three voxels each
    effects = np.array([[1.0, -2.0, 0.5], [1.5, -1.0, 0.1], [0.7, 0.2, 0.4]])
    variances = np.array([[0.2, 0.5, 0.1], [0.4, 0.1, 0.3], [0.1, 0.9, 0.2]])
    out = [np.column_stack(_compute_fixed_effects_params(effects, variances, weighted, [90, 100, 80])) for weighted in (False, True)]
    save("fixed_effects.tsv", np.vstack(out))


def designs():
    save("hrf_spm.tsv", np.vstack([np.pad(spm_get_bf(tr / 16), ((0, 800 - len(spm_get_bf(tr / 16))), (0, 0))) for tr in (2.0, 0.71)])[::7])
    save("design_spm.tsv", spm_design(75, 2.0, 8, 1))
    save("design_spm_derivatives.tsv", spm_design(211, 0.71, 1, 3))
    save("design_spm_modulated.tsv", spm_design(60, 2.5, 16, 1, "rating"))
    events = EVENTS[["onset", "duration", "trial_type", "modulation"]]
    for name, k, tr, start, model, delays in (
        ("glover", 75, 2.0, 0.0, "glover", None), ("spm3", 211, 0.71, 0.355, "spm + derivative + dispersion", None),
        ("glover3", 60, 2.5, 1.25, "glover + derivative + dispersion", None), ("fir", 75, 2.0, 0.0, "fir", [0, 1, 4])):  # fmt: skip
        frames = np.linspace(start, start + (k - 1) * tr, k)
        x = make_first_level_design_matrix(frames, events, hrf_model=model, drift_model="cosine", high_pass=1 / 128, fir_delays=delays)
        save(f"design_nilearn_{name}.tsv", x.to_numpy())


def tails():
    rows = []
    for dof in (3.7, 26.0, 136.0, 1500.0):
        for t in (0.0, 1e-3, 0.5, -1.9, 4.0, -9.0, 23.0, 45.0):
            z = stats.norm.isf(np.clip(stats.t.sf(abs(t), dof), 1e-300, 1)) * np.sign(t)
            rows.append([t, dof, 0, z])
    for f, a, b in ((0.2, 2, 30), (1.0, 5, 120), (4.0, 2, 17.5), (12.0, 3, 136), (60.0, 2, 400)):
        tail, body = stats.f.sf(f, a, b), stats.f.cdf(f, a, b)
        rows.append([f, b, a, stats.norm.isf(tail) if tail < 0.5 else stats.norm.ppf(body)])
    save("tails.tsv", rows)


if __name__ == "__main__":
    designs()
    tails()
    fits()
    EVENTS.to_csv("events.tsv", sep="\t", index=False)
