"""Writes the reference values of CompCor, of its masks and of the expanded columns:
python make_components.py OUTDIR.

Inputs are made by closed formulas that denoise/test_data.hpp repeats. Made with nipype 1.11.0,
niworkflows 1.14.5, fmriprep 25.2.7 (acompcor_masks), scipy 1.17.1, numpy 2.4.6.
"""
import os, sys, tempfile
import nibabel as nb, numpy as np, pandas as pd
from nipype.algorithms.confounds import ACompCor, TCompCor
from niworkflows.interfaces.confounds import parse_formula, spike_regressors
from niworkflows.interfaces.morphology import image_binary_dilation
from fmriprep.utils.confounds import acompcor_masks

out = os.path.abspath(sys.argv[1])
os.chdir(tempfile.mkdtemp())


def lcg(n, seed):
    x, v = seed, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


# 12 x 10 x 6 voxels, 80 volumes: five latent series and noise, more noise in every 50th voxel
shape, T, TR, K = (12, 10, 6), 80, 2.0, 5
V = int(np.prod(shape))
raw = lcg(V * T, 31).reshape(V, T) - 0.5
latent = lcg(K * T, 32).reshape(K, T) - 0.5
weight = lcg(V * K, 33).reshape(V, K) - 0.5
v, t = np.arange(V), np.arange(T)
series = 800.0 + v[:, None] + 0.1 * t[None, :] + 12 * raw * (1 + 6 * (v % 50 == 0))[:, None]
for k in range(K):
    series += 40.0 * (5 - k) * weight[:, k : k + 1] * latent[k]
series = series.astype(np.float32)
i, j, k3 = (c.ravel(order="F") for c in np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"))
brain = (i >= 1) & (i < 11) & (j >= 1) & (j < 9)
csf, wm = brain & (v % 7 == 0), brain & (v % 5 == 1)
edge = ~brain


def save(name, data, dtype):
    d = data.reshape(shape + data.shape[1:], order="F").astype(dtype)
    img = nb.Nifti1Image(d, np.eye(4))
    if d.ndim == 4:
        img.header.set_zooms((1, 1, 1, TR)); img.header.set_xyzt_units("mm", "sec")
    nb.save(img, name)
    return os.path.abspath(name)


bold = save("bold.nii.gz", series, np.float32)
masks = [save(f"{n}.nii.gz", m, np.uint8) for n, m in
         (("csf", csf), ("wm", wm), ("both", csf | wm), ("edge", edge), ("brain", brain))]
common = dict(realigned_file=bold, pre_filter="cosine", high_pass_cutoff=40, repetition_time=TR,
              ignore_initial_volumes=2, save_metadata=True, failure_mode="NaN")


def table(interface):
    r = interface.run().outputs
    return pd.read_table(r.components_file).to_numpy(), pd.read_table(r.metadata_file), r


parts, meta = [], []
a, m, _ = table(ACompCor(mask_files=masks[:3], mask_names=["CSF", "WM", "combined"], merge_method="none",
                         variance_threshold=0.5, header_prefix="a_comp_cor_", **common))
parts.append(a); meta.append(m[m.retained])
c, m, r = table(TCompCor(mask_files=masks[4], percentile_threshold=0.02, variance_threshold=0.5, **common))
parts.append(c); meta.append(m[m.retained].assign(mask="t"))
hv = nb.load(r.high_variance_masks).get_fdata().ravel(order="F")
e, m, _ = table(ACompCor(mask_files=masks[3], mask_names=["Edge"], merge_method="none", num_components=6,
                         header_prefix="edge_comp_", **common))
parts.append(e); meta.append(m[m.retained])
np.savetxt(f"{out}/compcor.tsv", np.hstack(parts), fmt="%.9f", delimiter="\t")
pd.concat(meta)[["mask", "singular_value", "variance_explained", "cumulative_variance_explained"]].to_csv(
    f"{out}/compcor_metadata.tsv", sep="\t", index=False, float_format="%.10g")
np.savetxt(f"{out}/compcor_high_variance.tsv", np.flatnonzero(hv), fmt="%d", header="voxel", comments="")

# masks: 16 x 14 x 12, tissue maps by formula; sums of value * (1 + index % 101)
s2 = (16, 14, 12)
n2 = int(np.prod(s2))
i, j, k = (c.ravel(order="F") for c in np.meshgrid(*(np.arange(n) for n in s2), indexing="ij"))
rad = np.sqrt((i - 8.0) ** 2 + (j - 7.0) ** 2 + (k - 6.0) ** 2)
gm = np.where((rad > 6.2) & (i < 12), 0.9, 0.02)
white = np.where(rad <= 5.5, 0.95, 0.03)
fluid = np.where((rad <= 1.6) | (i > 13), 0.99, 0.01)
def put(name, d):
    nb.save(nb.Nifti1Image(d.reshape(s2, order="F").astype(np.float32), np.diag([1.5, 1, 2, 1])), name)
    return os.path.abspath(name)
files = acompcor_masks([put("gm.nii.gz", gm), put("w.nii.gz", white), put("f.nii.gz", fluid)])
rows = []
for f in files:
    d = nb.load(f).get_fdata().ravel(order="F")
    rows.append([np.count_nonzero(d), (d * (1 + np.arange(n2) % 101)).sum()])
brain2 = (rad <= 4.1).astype(int).reshape(s2, order="F")
crown = (image_binary_dilation(brain2, 2) - brain2).ravel(order="F")
rows.append([crown.sum(), (crown * (1 + np.arange(n2) % 101)).sum()])
np.savetxt(f"{out}/compcor_masks.tsv", rows, fmt="%.9g", delimiter="\t", header="n\tweighted_sum", comments="")

# expansions and spikes
n = 60
frame = pd.DataFrame({"csf": lcg(n, 6), "framewise_displacement": lcg(n, 41), "std_dvars": 1 + lcg(n, 42)})
frame.loc[0, ["framewise_displacement", "std_dvars"]] = np.nan
_, full = parse_formula("(dd1(csf))^^2 + others", frame, unscramble=True)
full = spike_regressors(full, criteria={"framewise_displacement": (">", 0.9), "std_dvars": (">", 1.95)})
spikes = full[[c for c in full if c.startswith("motion_outlier")]]
np.savetxt(f"{out}/expansions.tsv", full[["csf", "csf_derivative1", "csf_power2", "csf_derivative1_power2"]].to_numpy()[1:],
           fmt="%.12g", delimiter="\t", header="csf\tcsf_derivative1\tcsf_power2\tcsf_derivative1_power2", comments="")
np.savetxt(f"{out}/spikes.tsv", spikes.to_numpy().argmax(axis=0), fmt="%d", header="volume", comments="")
print(a.shape, c.shape, e.shape, int(hv.sum()), rows, spikes.shape)
