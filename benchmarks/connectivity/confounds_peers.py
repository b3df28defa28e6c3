"""confounds_peers.py PROGRAM FOLDER: columns of boldmill's confounds beside nipype's and niworkflows' of the same images.

A phantom from a seed (14 x 12 x 10 x 150, five latent series, drift, noise, more of it in every 50th voxel) and motion traces.
Limits: 1e-4 of a column's largest value; 1e-3 rad between the subspaces of CompCor.
"""
import os
import subprocess
import sys

import nibabel as nb
import numpy as np
import pandas as pd
from nipype.algorithms.confounds import ACompCor, FramewiseDisplacement, TCompCor, compute_dvars, cosine_filter
from niworkflows.interfaces.confounds import parse_formula
from scipy.linalg import subspace_angles

program, folder = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]) + "/confounds"
os.makedirs(folder, exist_ok=True)
os.chdir(folder)
SHAPE, T, TR, DUMMIES = (14, 12, 10), 150, 2.0, 2
MOTION = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
worst = {}


def save(name, data, dtype):
    image = nb.Nifti1Image(data.reshape(SHAPE + data.shape[1:], order="F").astype(dtype), np.diag([3.0, 3, 3, 1]))
    if data.ndim == 2:
        image.header.set_zooms((3, 3, 3, TR))
        image.header.set_xyzt_units("mm", "sec")
    nb.save(image, name)
    return os.path.abspath(name)


def boldmill(*words):
    subprocess.run([program, "stage", *map(str, words)], check=True, capture_output=True)


def relative(what, ours, theirs):
    use = np.isfinite(theirs)
    worst[what] = (np.abs(ours - theirs)[use].max() / np.abs(theirs[use]).max(), 1e-4)


rng = np.random.default_rng(9)
v = np.arange(int(np.prod(SHAPE)))
latent, weight = rng.standard_normal((5, T)), rng.standard_normal((len(v), 5))
series = 800 + 0.3 * v[:, None] + 0.1 * np.arange(T) + 8 * rng.standard_normal((len(v), T)) * (1 + 5 * (v % 50 == 0))[:, None]
series += (weight * np.arange(25, 0, -5)) @ latent
at = np.stack(np.unravel_index(v, SHAPE, order="F"))
brain = np.all((at >= 1) & (at < np.array(SHAPE)[:, None] - 1), axis=0)
bold = save("bold.nii.gz", series, np.float32)
names = ["brain", "csf", "wm", "both", "edge"]
csf, wm = brain & (v % 7 == 0), brain & (v % 5 == 1)
masks = dict(zip(names, (save(f"{n}.nii.gz", m, np.uint8) for n, m in zip(names, (brain, csf, wm, csf | wm, ~brain)))))
motion = np.cumsum(rng.standard_normal((T, 6)), axis=0) * np.array([0.05] * 3 + [0.001] * 3)
pd.DataFrame(motion, columns=MOTION).to_csv("motion.tsv", sep="\t", index=False, float_format="%.15g")

boldmill("confounds", "motion.tsv", "--tr", TR, "--n-dummy", DUMMIES, "--bold", bold, "--mask", masks["brain"], "--out", "ours.tsv")
ours = pd.read_csv("ours.tsv", sep="\t", na_values="n/a")
std, plain, _ = compute_dvars(bold, masks["brain"], remove_zerovariance=True, variance_tol=1e-7, intensity_normalization=1000)
relative("dvars", ours["dvars"].to_numpy()[1:], np.asarray(plain))
relative("std_dvars", ours["std_dvars"].to_numpy()[1:], np.asarray(std))
np.savetxt("motion.par", motion)
FramewiseDisplacement(in_file=os.path.abspath("motion.par"), parameter_source="SPM", radius=50,
                      out_file=os.path.abspath("fd.txt"), out_figure=os.path.abspath("fd.pdf")).run()
relative("framewise_displacement", ours["framewise_displacement"].to_numpy()[1:], np.loadtxt("fd.txt", skiprows=1))
images = nb.load(bold).get_fdata().reshape(-1, T, order="F")
relative("global_signal", ours["global_signal"].to_numpy(), images[brain].mean(axis=0))
base = pd.DataFrame(np.c_[motion, images[brain].mean(axis=0)], columns=[*MOTION, "global_signal"])
_, full = parse_formula(f"(dd1({' + '.join(base.columns)}))^^2", base, unscramble=True)
for kind in ("_derivative1", "_power2", "_derivative1_power2"):
    columns = [n + kind for n in base.columns]
    for column in columns:
        relative(column, ours[column].to_numpy(), full[column].to_numpy())
    kept = {c: worst.pop(c) for c in columns}
    worst["*" + kind] = max(kept.values())
_, basis = cosine_filter(np.arange(T - DUMMIES, dtype=float)[None], TR, 128.0, remove_mean=True)
basis = basis if len(basis) == T - DUMMIES else basis.T
cosines = ours.filter(regex="^cosine").to_numpy()[DUMMIES:]
relative("cosine*", cosines, basis[:, : cosines.shape[1]])

boldmill("compcor", bold, "--mask", masks["brain"], "--csf", masks["csf"], "--white-matter", masks["wm"], "--combined", masks["both"],
         "--edge", masks["edge"], "--tr", TR, "--n-dummy", DUMMIES, "--n-edge-components", 6, "--cosine-cutoff-s", 100, "--out", "compcor.tsv")
ours = pd.read_csv("compcor.tsv", sep="\t", na_values="n/a")
common = dict(realigned_file=bold, pre_filter="cosine", high_pass_cutoff=100, repetition_time=TR, ignore_initial_volumes=DUMMIES,
              save_metadata=True, failure_mode="NaN", variance_threshold=0.5)


def angle(what, theirs):
    mine = ours.filter(regex=f"^{what}").to_numpy()
    if mine.shape[1] != theirs.shape[1]:
        sys.exit(f"{what}: {mine.shape[1]} components, nipype has {theirs.shape[1]}")
    worst[f"{what} ({mine.shape[1]}), angle"] = (subspace_angles(mine[DUMMIES:], theirs[DUMMIES:]).max(), 1e-3)


def components(interface):
    return pd.read_table(interface.run().outputs.components_file).to_numpy()


for prefix, mask in (("c_comp_cor", "csf"), ("w_comp_cor", "wm"), ("a_comp_cor", "both")):
    angle(prefix, components(ACompCor(mask_files=[masks[mask]], merge_method="none", header_prefix="x", **common)))
angle("t_comp_cor", components(TCompCor(mask_files=[masks["brain"]], percentile_threshold=0.02, **common)))
common.pop("variance_threshold")
angle("edge_comp", components(ACompCor(mask_files=[masks["edge"]], merge_method="none", num_components=6, header_prefix="x", **common)))
for what, (value, limit) in worst.items():
    print(f"  {what}: {value:.1e} (limit {limit:.0e})")
bad = [what for what, (value, limit) in worst.items() if not value < limit]
if bad:
    sys.exit(f"disagree: {bad}")
