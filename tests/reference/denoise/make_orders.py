"""Writes the reference values of motion filters, despiking and the orders of denoising:
python make_orders.py OUTDIR.

Inputs are made by closed formulas that the tests repeat. The steps are those of XCP-D 26.1 (motion
filter, denoising) built from scipy's and nilearn's own functions, and those of AFNI's 3dDespike -NEW
and 3dTproject written with numpy. Made with nilearn 0.14.1, scipy 1.17.1, numpy 2.4.6, nipype 1.11.0.
"""
import os, sys, tempfile
import numpy as np
from scipy.signal import butter, filtfilt, iirnotch
from nilearn import signal
from nipype.algorithms.confounds import FramewiseDisplacement

out = os.path.abspath(sys.argv[1])


def lcg(n, seed):
    x, v = seed, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


def save(name, data, header):
    np.savetxt(f"{out}/{name}.tsv", data, fmt="%.9g", delimiter="\t", header=header, comments="")


# --- motion filters: 100 volumes, 6 traces
T = 100
t = np.arange(T)
motion = np.c_[lcg(3 * T, 11).reshape(T, 3), 0.01 * lcg(3 * T, 12).reshape(T, 3)]
motion[:, 1] += 0.5 * np.sin(2 * np.pi * t * 0.8 * 15 / 60)


def fold(f, fs):
    return abs(f - np.floor((f + fs / 2) / fs) * fs)


def motion_filter(kind, low, high, order, tr):
    fs = 1 / tr
    low, high = fold(low / 60, fs), fold(high / 60, fs)
    pad = dict(axis=0, padtype="constant", padlen=T - 1)
    if kind == "lp":
        b, a = butter(order // 2, low, btype="lowpass", output="ba", fs=fs)
        return filtfilt(b, a, motion, **pad)
    f0, x = (low + high) / 2, motion
    b, a = iirnotch(f0, f0 / abs(high - low), fs=fs)
    for _ in range(order // 4):
        x = filtfilt(b, a, x, **pad)
    return x


cases = [("notch", 12, 18, 4, 0.8), ("notch", 12, 18, 8, 0.8), ("lp", 6, 0, 4, 0.8), ("notch", 12, 18, 4, 2.2)]
filtered = [motion_filter(*c) for c in cases]
save("motion_filter", np.hstack([f[:, [1, 4]] for f in filtered]), "\t".join(f"{c[0]}{i}_{n}" for i, c in enumerate(cases) for n in ("y", "ry")))
d = tempfile.mkdtemp()
np.savetxt(f"{d}/par.txt", filtered[0], fmt="%.15g")
FramewiseDisplacement(in_file=f"{d}/par.txt", parameter_source="SPM", radius=50, out_file=f"{d}/fd.txt", out_figure=f"{d}/f.pdf").run()
save("motion_filter_fd", np.loadtxt(f"{d}/fd.txt", skiprows=1), "fd")

# --- despiking: 4 voxels of 75 volumes, spikes in three of them
N = 75
tt = np.arange(N)
vox = np.stack([400 + 30 * np.sin(2 * np.pi * tt / 37) + 8 * (lcg(N, 50 + v) - 0.5) for v in range(4)], axis=1)
for v, where, size in ((0, 10, 60), (0, 11, -45), (1, 0, 50), (1, 74, 35), (2, 30, 200), (2, 31, 190), (2, 32, 210), (2, 50, -12)):
    vox[where, v] += size
vox = vox.astype(np.float32)


def despike(y):
    y = y.astype(float)
    n = len(y)
    start = np.clip(np.arange(n) - 4, 0, n - 9)
    win = np.stack([y[s : s + 9] for s in start])
    med = np.median(win, axis=1)
    mad = np.median(abs(win - med[:, None]), axis=1)
    cut = 6.789 * np.median(mad)
    z = np.where(abs(y - med) > cut, med, y)
    order = int(np.rint(n / 30))
    u = (np.arange(n) - 0.5 * (n - 1)) * 2 / n
    X = np.stack([np.ones(n), u, u**2] + [f(2 * np.pi * k * np.arange(n) / n) for k in range(1, order + 1) for f in (np.sin, np.cos)], axis=1)
    fit = X @ (np.linalg.pinv(X) @ z)
    sd = np.sqrt(np.pi / 2) * np.median(abs(y - fit))
    s = (y - fit) / sd
    new = np.sign(s) * (2.5 + 1.5 * np.tanh((abs(s) - 2.5) / 1.5))
    return np.where(abs(s) > 2.5, fit + new * sd, y), abs(s) > 2.5


save("despike", np.stack([despike(vox[:, v])[0] for v in range(4)], axis=1), "a\tb\tc\td")
print("edits", [int(despike(vox[:, v])[1].sum()) for v in range(4)])

# --- orders: the phantom of make.py
T2, tr = 120, 2.0
conf = lcg(4 * T2, 21).reshape(T2, 4)
conf[:, 1] = np.cumsum(conf[:, 1] - 0.5)
conf = np.c_[conf, np.cos(np.arange(T2) / 9.0)]
S = np.empty((T2, 6)); r = lcg(T2 * 6, 22).reshape(6, T2); tt = np.arange(T2)
for v in range(6):
    S[:, v] = 500 + v * 10 + 40 * np.sin(2 * np.pi * tt * tr * (0.015 + 0.01 * v)) + 50 * (r[v] - 0.5) + 0.3 * v * tt + 25 * conf[:, v % 5]
S = S.astype(np.float32).astype(float)
own = [lcg(T2 * 6, seed).reshape(6, T2).T.astype(np.float32).astype(float) for seed in (23, 24)]
keep = np.ones(T2, bool)
keep[[0, 1, 3, 4, 5, 40, 41, 77, 100, 118, 119]] = False


def interpolated(x):
    y = signal._interpolate_volumes(x.copy(), sample_mask=keep, t_r=tr, extrapolate=True)
    first, last = np.flatnonzero(keep)[[0, -1]]
    y[:first], y[last + 1 :] = y[first], y[last]
    return y


def prepared(x):
    x = signal.standardize_signal(interpolated(x), detrend=True, standardize=None)
    return signal.butterworth(x, sampling_rate=1 / tr, low_pass=0.08, high_pass=0.01, order=2, padtype="constant", padlen=T2 - 1)


y, x = prepared(S), prepared(conf)
xcpd = y - x @ np.linalg.lstsq(x[keep], y[keep], rcond=None)[0]
save("xcpd_interpolated", xcpd, "\t".join("abcdef"))
v = [prepared(o) for o in own]
each = np.empty_like(y)
for c in range(6):
    X = np.c_[x, v[0][:, c], v[1][:, c]]
    each[:, c] = y[:, c] - X @ np.linalg.lstsq(X[keep], y[keep, c], rcond=None)[0]
save("xcpd_voxelwise", each[keep], "\t".join("abcdef"))

# 3dTproject -passband 0.01 0.08 -polort 1 -ort conf -cenmode KILL
df = 1 / (T2 * tr)
below, above = np.rint((0.01 - 1e-4) / df), np.rint((0.08 + 1e-4) / df)
cols = [np.ones(T2), np.linspace(-1, 1, T2)] + list(conf.T)
for k in range(1, T2 // 2 + 1):
    if below < k < above:
        continue
    cols.append(np.cos(2 * np.pi * k * np.arange(T2) / T2))
    if k < T2 / 2:
        cols.append(np.sin(2 * np.pi * k * np.arange(T2) / T2))
X = np.stack(cols, axis=1)[keep]
resid = S[keep] - X @ np.linalg.lstsq(X, S[keep], rcond=None)[0]
save("tproject", resid, "\t".join("abcdef"))
print("tproject dof", keep.sum() - np.linalg.matrix_rank(X), X.shape)
