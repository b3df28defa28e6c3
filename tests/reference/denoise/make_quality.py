"""Writes the reference values of the quality measures: python make_quality.py OUTDIR.

Inputs are made by closed formulas that the tests repeat. Made with mriqc 24.0.2 (functions of
mriqc.qc and the steps of its FunctionalQC), nipype 1.11.0, statsmodels, pingouin, scipy 1.17.1,
numpy 2.4.6; XCP-D's QC row with its definitions in numpy; AFNI's outlier count, GCOR and motion with
numpy and scipy.
"""
import os, sys, tempfile
import nibabel as nb, numpy as np, pandas as pd, pingouin, statsmodels
from scipy import stats
from nipype.algorithms.confounds import compute_dvars, TSNR, _AR_est_YW
from mriqc.qc.anatomical import efc, fber, snr, summary_stats
from mriqc.qc.functional import gsr

out = os.path.abspath(sys.argv[1])
os.chdir(tempfile.mkdtemp())


def lcg(n, seed):
    x, v = seed, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


# 14 x 12 x 6 voxels, 40 volumes, 2 dummies: a bright ball in noise with a drift and a few spikes
s, T, D = (14, 12, 6), 40, 2
n = int(np.prod(s))
i, j, k = (c.ravel(order="F") for c in np.meshgrid(*(np.arange(q) for q in s), indexing="ij"))
brain = (i - 6.5) ** 2 / 16 + (j - 5.5) ** 2 / 9 + (k - 2.5) ** 2 / 9 <= 1
raw = lcg(n * T, 61).reshape(n, T) - 0.5
t = np.arange(T)
common = np.sin(2 * np.pi * t / 13)
data = np.where(brain[:, None], 900 + 5 * i[:, None] + 8 * common + 40 * raw, 60 + 3 * j[:, None] + 30 * raw)
data[brain, 20] += 90 * (lcg(int(brain.sum()), 62) > 0.5)
data = data.astype(np.float32)
steady = data[:, D:]
cube = lambda x: x.reshape(s + x.shape[1:], order="F")
mean = cube(steady.astype(float).mean(axis=1).astype(np.float32))
mask = cube(brain)
val = {}
summ = summary_stats(mean, {"fg": mask.astype(np.uint8), "bg": (~mask).astype(np.uint8)}, decimals=8)
val["efc"] = efc(mean, decimals=8)
val["fber"] = fber(mean, mask.astype(np.uint8), decimals=8)
val["snr"] = snr(summ["fg"]["median"], summ["fg"]["stdv"], summ["fg"]["n"])
val["gsr_x"], val["gsr_y"] = (gsr(mean, mask.astype(np.uint8), d) for d in "xy")
for side in ("fg", "bg"):
    for key in ("mean", "median", "p05", "p95", "stdv", "mad", "k", "n"):
        val[f"summary_{side}_{key}"] = summ[side][key]
nb.save(nb.Nifti1Image(cube(steady), np.eye(4)), "b.nii"); nb.save(nb.Nifti1Image(mask.astype(np.uint8), np.eye(4)), "m.nii")
r = TSNR(in_file=["b.nii"]).run().outputs
ts = nb.load(r.tsnr_file).get_fdata()[mask]
val["tsnr"], val["afni_tsnr_average"] = np.median(ts), ts.mean()
std, nstd, vstd = compute_dvars("b.nii", "m.nii", remove_zerovariance=True, intensity_normalization=1000)
val["dvars_std"], val["dvars_nstd"], val["dvars_vstd"] = std.mean(), nstd.mean(), vstd.mean()
y = steady[brain].astype(float)
c = y - y.mean(1, keepdims=True)
g = (c / np.linalg.norm(c, axis=1, keepdims=True)).mean(0)
val["gcor"] = g @ g
med = np.median(steady[brain], axis=1)
dev = abs(steady[brain] - med[:, None])
cut = stats.norm.isf(0.001 / (T - D)) * np.sqrt(np.pi / 2) * np.median(dev, axis=1)
val["aor"] = (dev > cut[:, None]).mean()
val["aqi"] = np.mean([1 - stats.spearmanr(steady[brain][:, q], med).statistic for q in range(T - D)])

# motion, censoring, XCP-D's row and AFNI's review
mot = np.c_[lcg(3 * T, 63).reshape(T, 3), 0.02 * lcg(3 * T, 64).reshape(T, 3)]
d = np.diff(mot, axis=0)
fd = np.r_[np.nan, abs(d[:, :3]).sum(1) + 50 * abs(d[:, 3:]).sum(1)]
rmsd = np.r_[np.nan, lcg(T - 1, 65)]
keep = np.ones(T, bool); keep[:D] = False; keep[[7, 8, 20, 33]] = False
fd0 = np.nan_to_num(fd)[D:]
kk = keep[D:]


def xcp_dvars(x):  # voxels x time, XCP-D's standardised DVARS, first 0
    sd = (np.percentile(x, 75, axis=1, method="lower") - np.percentile(x, 25, axis=1, method="lower")) / 1.349
    x, sd = x[sd > 1e-7], sd[sd > 1e-7]
    ar1 = np.array([_AR_est_YW(row - row.mean(), 1) for row in x]).ravel()
    return np.r_[0, np.sqrt((np.diff(x, axis=1) ** 2).mean(0)) / (np.sqrt(2 * (1 - ar1)) * sd).mean()]


before = xcp_dvars(steady[brain].astype(float))
denoised = (c - c @ np.outer(common[D:], common[D:]) / (common[D:] @ common[D:]))[:, kk].astype(np.float32)
after = xcp_dvars(denoised.astype(float))
val.update(mean_fd=fd0.mean(), mean_fd_post_censoring=fd0[kk].mean(), mean_relative_rms=np.nanmean(rmsd[keep]),
           max_relative_rms=np.nanmax(rmsd[keep]), mean_dvars_initial=before.mean(), mean_dvars_final=after.mean(),
           num_dummy_volumes=D, num_censored_volumes=4, num_retained_volumes=T - D - 4,
           fd_dvars_correlation_initial=np.corrcoef(fd0, before)[0, 1],
           fd_dvars_correlation_final=np.corrcoef(fd0[kk], after)[0, 1])
val["fd_mean"], val["fd_num"] = fd[D:].mean(), (fd[D:] > 1.2).sum()
val["fd_perc"] = 100 * val["fd_num"] / (T - D)
deg = mot[D:].copy(); deg[:, 3:] *= 180 / np.pi
enorm = np.r_[0, np.linalg.norm(np.diff(deg, axis=0), axis=1)]
val["afni_average_motion"], val["afni_average_censored_motion"] = enorm.mean(), enorm[kk].mean()
from scipy.spatial.distance import pdist
val["afni_max_motion_displacement"], val["afni_max_censored_displacement"] = pdist(deg).max(), pdist(deg[kk]).max()
val["afni_censor_fraction"] = 4 / (T - D)
with open(f"{out}/quality.tsv", "w") as f:
    f.write("name\tvalue\n" + "".join(f"{a}\t{float(b):.10g}\n" for a, b in val.items()))

# QC-FC: 40 people, 60 edges, 2 covariates
N, E = 40, 60
m = lcg(N, 71); cov = lcg(2 * N, 72).reshape(N, 2); m = m + 0.5 * cov[:, 0]
dist = 20 + 100 * lcg(E, 73)
fc = (lcg(N * E, 74).reshape(N, E) - 0.5 + np.outer(m, 0.8 - dist / 120) + cov[:, 1:] * 0.3).astype(np.float32)
frame = pd.DataFrame({"m": m, "a": cov[:, 0], "b": cov[:, 1]})
rows, plain = [], []
for e in range(E):
    q = pingouin.partial_corr(frame.assign(y=fc[:, e].astype(float)), x="m", y="y", covar=["a", "b"])
    p0 = stats.pearsonr(m, fc[:, e].astype(float))
    rows.append([q["r"].iloc[0], q[[c for c in q if c.lower().startswith("p")][0]].iloc[0], p0.statistic, p0.pvalue])
rows = np.array(rows)
np.savetxt(f"{out}/qc_fc.tsv", rows, fmt="%.10g", delimiter="\t", header="r_partial\tp_partial\tr\tp", comments="")
np.savetxt(f"{out}/qc_fc_summary.tsv", [[np.median(abs(rows[:, 0])), stats.spearmanr(dist, rows[:, 0]).statistic, np.median(abs(rows[:, 2])), stats.spearmanr(dist, rows[:, 2]).statistic]],
           fmt="%.10g", delimiter="\t", header="median_partial\tdistance_partial\tmedian\tdistance", comments="")
print(statsmodels.__version__, pingouin.__version__, val, np.median(abs(rows), axis=0))
