"""Writes what nilearn leaves of four series under each strategy: python make_strategies.py OUTDIR.

The table of confounds is made by formulas that denoise/strategies_test.cpp repeats; nilearn.interfaces.fmriprep.load_confounds picks
the columns, nilearn.signal.clean removes them (with a linear trend, no filter, z-scores). Derivatives begin with 0 instead of n/a:
nilearn puts the second value there, fMRIPrep's users 0. Made with nilearn 0.14.1, numpy 2.3.5, pandas, scikit-learn 1.9.1.
"""
import json, os, sys, tempfile
import nibabel as nb, numpy as np, pandas as pd
from nilearn.interfaces.fmriprep import load_confounds
from nilearn.signal import clean

out = os.path.abspath(sys.argv[1])
os.chdir(tempfile.mkdtemp())


def lcg(n, seed):
    x, v = seed, np.empty(n)
    for i in range(n):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        v[i] = (x >> 40) / 2**24
    return v


T = 150
bases = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "global_signal", "csf", "white_matter"]
table = {}
for k, name in enumerate(bases):
    x = np.cumsum(lcg(T, 100 + k) - 0.5) + 3 * np.sin(np.arange(T) / (5 + k))
    step = np.r_[0, np.diff(x)]
    table |= {name: x, name + "_derivative1": step, name + "_power2": x**2, name + "_derivative1_power2": step**2}
components = [f"{p}_comp_cor_{i:02d}" for p in "cw" for i in range(7)]
for k, name in enumerate(components + ["aroma_motion_00", "aroma_motion_01", "aroma_motion_02"]):
    table[name] = lcg(T, 200 + k) - 0.5
for k in range(3):
    table[f"cosine{k:02d}"] = np.sqrt(2 / T) * np.cos(np.pi / T * (np.arange(T) + 0.5) * (k + 1))
pd.DataFrame(table).to_csv("sub-01_task-rest_desc-confounds_timeseries.tsv", sep="\t", index=False, float_format="%.17g")
says = {n: {"Method": "aCompCor", "Mask": "CSF" if n[0] == "c" else "WM", "Retained": True, "SingularValue": 20 - int(n[-2:])}
        for n in components}
says |= {n: {"MotionNoise": True} for n in table if n.startswith("aroma")}
json.dump(says, open("sub-01_task-rest_desc-confounds_timeseries.json", "w"))
image = "sub-01_task-rest_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
nb.save(nb.Nifti1Image(np.zeros((2, 2, 2, T), np.float32), np.eye(4)), image)

all_columns = np.c_[tuple(table.values())]
series = np.stack([500 + 40 * lcg(T, 300 + v) + all_columns @ (2 * lcg(all_columns.shape[1], 400 + v) - 1) + 0.2 * v * np.arange(T)
                   for v in range(4)], 1).astype(np.float32).astype(float)
full, basic = {"motion": "full"}, {"motion": "derivatives"}
compcor = dict(basic, compcor="anat_separated", n_compcor=5)
strategies = {
    "24P": (["motion"], full),
    "27P": (["motion", "wm_csf", "global_signal"], dict(full, wm_csf="basic", global_signal="basic")),
    "36P": (["motion", "wm_csf", "global_signal"], dict(full, wm_csf="full", global_signal="full")),
    "gsr_only": (["global_signal"], {"global_signal": "basic"}),
    "acompcor": (["motion", "high_pass", "compcor"], compcor),
    "acompcor_gsr": (["motion", "high_pass", "compcor", "global_signal"], dict(compcor, global_signal="basic")),
    "aroma": (["wm_csf", "ica_aroma"], {"wm_csf": "basic", "ica_aroma": "basic"}),
    "aroma_gsr": (["wm_csf", "ica_aroma", "global_signal"], {"wm_csf": "basic", "ica_aroma": "basic", "global_signal": "basic"}),
    "circuit": (["motion", "wm_csf"], {"motion": "derivatives", "wm_csf": "basic"}),
    "none": ([], {}),
}
for name, (parts, options) in strategies.items():
    chosen = load_confounds(image, strategy=parts, **options)[0] if parts else None
    left = clean(series, confounds=chosen, detrend=True, standardize="zscore_sample", standardize_confounds=True, t_r=2.0,
                 ensure_finite=False)
    print(name, 0 if chosen is None else chosen.shape[1])
    np.savetxt(f"{out}/strategy_{name}.tsv", left, fmt="%.8g", delimiter="\t")

# Strategy custom: names and patterns, picked here by pandas, and extra_columns; then a column called signal__*, to which nilearn makes the
# other columns orthogonal before they are removed.
table = pd.DataFrame(table)
chosen = table.filter(regex="^(rot_.*|csf|.*comp_cor_00|cosine.*)$")
options = dict(detrend=True, standardize="zscore_sample", standardize_confounds=True, t_r=2.0, ensure_finite=False)
np.savetxt(f"{out}/strategy_custom.tsv", clean(series, confounds=chosen, **options), fmt="%.8g", delimiter="\t")
noise = table.filter(regex="^(trans_.|rot_.)$").to_numpy()
apart = clean(noise, confounds=table[["csf"]], detrend=False, standardize=None, standardize_confounds=True, ensure_finite=False)
np.savetxt(f"{out}/strategy_signal.tsv", clean(series, confounds=apart, **options), fmt="%.8g", delimiter="\t")
print("custom", chosen.shape[1], "signal", noise.shape[1])
