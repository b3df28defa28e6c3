"""person_nilearn.py ROOT TREE OUT: the 51 measures of sub-01 as a script assembled from nilearn would give them.

Region means (NiftiSpheresMasker, volumes of the published regions), first-level models of the regions (run_glm, ar1), gPPI as
one ordinary regression per seed with products of BOLD and convolved conditions, correlation of task residuals z-scored per run.
"""
import json
import os
import sys
import warnings

import nibabel as nb
import numpy as np
import pandas as pd
from nilearn.connectome import ConnectivityMeasure
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import make_first_level_design_matrix, run_glm
from nilearn.maskers import NiftiSpheresMasker

warnings.simplefilter("ignore")
root, tree, out = sys.argv[1:]
with open(os.path.join(root, "configs", "taxonomies", "published2024.json")) as f:
    definition = json.load(f)
regions = {r["code"]: r for r in definition["regions"]}
tasks = {"con": "conscious", "nco": "nonconscious", "gng": "gonogo"}
NUISANCE = [n + d for n in ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z") for d in ("", "_derivative1")] + ["csf", "white_matter"]
place = {code: i for i, code in enumerate(regions)}
measures, residuals = {}, []


def series_of(stem):
    """T x regions; spheres of one size share a masker."""
    image = nb.load(stem + "_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz")
    image = nb.Nifti1Image(np.asarray(image.dataobj, dtype=np.float32), image.affine, image.header)
    series = np.empty((image.shape[3], len(regions)))
    radius = np.array([round((0.75 * r["volume_mm3"] / np.pi) ** (1 / 3)) for r in regions.values()])
    for size in np.unique(radius):
        which = np.flatnonzero(radius == size)
        seeds = [list(regions.values())[i]["center_of_mass_mm"] for i in which]
        series[:, which] = NiftiSpheresMasker(seeds, radius=size, allow_overlap=True, standardize=None).fit_transform(image)
    return series


def weights(columns, contrast, suffix=""):
    w = np.zeros(len(columns))
    for condition, weight in contrast.items():
        w[list(columns).index(condition + suffix)] = weight
    return w


for key, task in tasks.items():
    stem = os.path.join(tree, "sub-01", "func", f"sub-01_task-{task}")
    y = series_of(stem)
    events = pd.read_csv(stem.replace("/tree/", "/raw/") + "_events.tsv", sep="\t")
    confounds = pd.read_csv(stem + "_desc-confounds_timeseries.tsv", sep="\t")[NUISANCE]
    confounds = confounds.fillna(confounds.mean())
    frames = 2.0 * (np.arange(len(y)) + 0.5)
    design = make_first_level_design_matrix(frames, events, hrf_model="spm", high_pass=1 / 128, add_regs=confounds)
    y = 100 * y / y.mean(0)
    labels, results = run_glm(y, design.to_numpy(), noise_model="ar1")
    contrasts = definition["tasks"][key]["contrasts"]
    conditions = sorted(events.trial_type.unique())
    mine = [m for m in definition["measures"] if m["task"] == key]
    for name in {m["contrast"] for m in mine if m["kind"] == "activation"}:
        effect = compute_contrast(labels, results, weights(design.columns, contrasts[name])).effect
        measures |= {m["code"]: effect[place[m["region_a"]]] for m in mine if m["kind"] == "activation" and m["contrast"] == name}
    for m in (m for m in mine if m["kind"] == "ppi"):
        seed = y[:, place[m["region_a"]]] - 100
        x = design.copy()
        x["seed"] = seed
        for c in conditions:
            x[c + "_ppi"] = (design[c] - design[c].mean()) * seed
        labels, results = run_glm(y[:, [place[m["region_b"]]]], x.to_numpy(), noise_model="ar1")
        measures[m["code"]] = compute_contrast(labels, results, weights(x.columns, contrasts[m["contrast"]], "_ppi")).effect[0]
    left = y - design.to_numpy() @ np.linalg.lstsq(design.to_numpy(), y, rcond=None)[0]
    residuals.append(left / left.std(0))
z = np.arctanh(np.clip(ConnectivityMeasure(kind="correlation", standardize=None).fit_transform([np.vstack(residuals)])[0], -0.999999, 0.999999))
for m in definition["measures"]:
    if m["kind"] == "intrinsic":
        measures[m["code"]] = z[place[m["region_a"]], place[m["region_b"]]]
with open(out, "w") as f:
    json.dump({k: float(v) for k, v in measures.items()}, f)
