"""Trees as fMRIPrep of each naming generation lays them out, made from code: a brain with parcels whose series are known, its
confounds and everything that stands beside them in a real tree."""
import json
import os

import h5py
import nibabel as nb
import numpy as np

SPACE = "MNI152NLin2009cAsym"
TR = 2.0
SHAPE, ORIGIN, STEP = (49, 58, 49), (-96.0, -132.0, -78.0), 4.0
AFFINE = np.diag([STEP, STEP, STEP, 1.0])
AFFINE[:3, 3] = ORIGIN
OLD = {"trans_x": "X", "trans_y": "Y", "trans_z": "Z", "rot_x": "RotX", "rot_y": "RotY", "rot_z": "RotZ", "csf": "CSF",
       "white_matter": "WhiteMatter", "global_signal": "GlobalSignal", "framewise_displacement": "FramewiseDisplacement",
       "std_dvars": "stdDVARS", "dvars": "non-stdDVARS"}
VERSIONS = {"1.0": ("1.0.15", "1.0.0"), "1.5": ("1.5.10", "1.1.1"), "20.2": ("20.2.7", "1.4.0"), "21.0": ("21.0.4", "1.4.0"),
            "23.1": ("23.1.4", "1.4.0"), "25.2": ("25.2.3", "1.9.0"), "26.0": ("26.0.0", "1.10.0")}
LEGACY_FOLDER = ("1.0", "1.5", "20.2")  # OUT/fmriprep/sub-*, and OUT/freesurfer beside it
MOTION = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]


def points():
    return np.indices(SHAPE).reshape(3, -1).T * STEP + ORIGIN


def brain_mask():
    """An ellipsoid about where the template's brain is."""
    return (((points() - (0, -18, 10)) / (68, 86, 66)) ** 2).sum(1).reshape(SHAPE) < 1


def parcels(n=6):
    """Boxes of the brain, 1 .. n; the last of them lies outside."""
    x, y, z = points().T.reshape(3, *SHAPE)
    labels = np.where(brain_mask(), 1 + (x > 0) + 2 * ((y + 18) // 30 % 2).astype(int), 0)
    labels[(abs(x) < 6) & (y > 70) & (y < 78) & (z > 4) & (z < 20)] = n
    return labels.astype("i2")


def confounds_of(rng, n, n_dummies=0):
    """Columns by today's names, T values each; what is missing is NaN."""
    columns = {}
    for name in ("global_signal", "csf", "white_matter"):
        columns[name] = 500 + rng.standard_normal(n)
    motion = np.cumsum(0.02 * rng.standard_normal((n, 6)) * [1, 1, 1, 0.01, 0.01, 0.01], 0)
    for k, name in enumerate(MOTION):
        columns[name] = motion[:, k]
    for base in list(columns):
        step = np.r_[np.nan, np.diff(columns[base])]
        columns[base + "_derivative1"] = step
        columns[base + "_power2"] = columns[base] ** 2
        columns[base + "_derivative1_power2"] = step ** 2
    moved = np.abs(np.diff(motion, axis=0)) * [1, 1, 1, 50, 50, 50]
    columns["framewise_displacement"] = np.r_[np.nan, moved.sum(1)]
    columns["rmsd"] = np.r_[np.nan, 0.7 * moved.sum(1)]
    columns["dvars"] = np.r_[np.nan, 20 + rng.random(n - 1)]
    columns["std_dvars"] = np.r_[np.nan, 1 + 0.1 * rng.random(n - 1)]
    for prefix, count in (("c_comp_cor_", 5), ("w_comp_cor_", 6), ("a_comp_cor_", 6), ("t_comp_cor_", 3)):
        for c in range(count):
            columns[f"{prefix}{c:02d}"] = rng.standard_normal(n) / np.sqrt(n)
    m = n - n_dummies
    for k in range(1, max(int(2 * m * TR / 128), 1)):
        wave = np.sqrt(2 / m) * np.cos(np.pi / m * (np.arange(m) + 0.5) * k)
        columns[f"cosine{k - 1:02d}"] = np.r_[np.zeros(n_dummies), wave]
    for d in range(n_dummies):
        columns[f"non_steady_state_outlier{d:02d}"] = (np.arange(n) == d).astype(float)
    return columns


def sidecar_of(columns):
    """What fMRIPrep says of its components."""
    masks = {"c_comp_cor": "CSF", "w_comp_cor": "WM", "a_comp_cor": "combined"}
    out = {}
    for name in columns:
        stem = name[:-3]
        if stem in masks or stem == "t_comp_cor":
            out[name] = {"CumulativeVarianceExplained": 0.5, "Method": "tCompCor" if stem == "t_comp_cor" else "aCompCor",
                         "Retained": True, "SingularValue": 12.5, "VarianceExplained": 0.125}
            if stem in masks:
                out[name]["Mask"] = masks[stem]
    out["dropped_0"] = {"CumulativeVarianceExplained": 0.9, "Method": "aCompCor", "Retained": False}
    return out


def write_confounds(path, columns, generation, order=1):
    names = list(columns)[::order]
    if generation == "1.0":
        names = [n for n in names if not ("_derivative1" in n or "_power2" in n or n == "rmsd" or n[:2] in ("c_", "w_"))]
    shown = names
    if generation == "1.0":
        shown = [OLD.get(n, n).replace("a_comp_cor_", "aCompCor").replace("t_comp_cor_", "tCompCor").replace("cosine", "Cosine")
                 .replace("non_steady_state_outlier", "NonSteadyStateOutlier") for n in names]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\t".join(shown) + "\n")
        for t in range(len(columns[names[0]])):
            file.write("\t".join("n/a" if np.isnan(columns[n][t]) else repr(float(columns[n][t])) for n in names) + "\n")
    if generation not in ("1.0", "1.5"):
        with open(path[:-4] + ".json", "w", encoding="utf-8") as file:
            json.dump(sidecar_of(names), file)


def series_of(rng, n, amplitude=10.0):
    """T x voxels of the grid: each parcel has a signal, each voxel noise, outside the brain nothing."""
    labels, mask = parcels(), brain_mask()
    signal = rng.standard_normal((n, labels.max() + 1)) * amplitude
    signal = (signal + np.roll(signal, 1, 0) + np.roll(signal, 2, 0)).astype("f4")
    signal[:, 0] = 0
    data = 1000 + 0.5 * signal[:, labels.ravel()] + 3 * rng.standard_normal((n, labels.size)).astype("f4")
    data *= mask.ravel()
    return data.astype("f4")


def save(path, data, dtype, affine=AFFINE, tr=None):
    image = nb.Nifti1Image(data.astype(dtype), affine)
    image.header.set_xyzt_units("mm", "sec")
    if tr:
        image.header.set_zooms((STEP, STEP, STEP, tr))
    nb.save(image, path)


def names_of(generation, stem):
    """bold, mask, boldref, confounds of a run."""
    if generation == "1.0":
        return [f"{stem}_bold_space-{SPACE}_preproc.nii.gz", f"{stem}_bold_space-{SPACE}_brainmask.nii.gz", None,
                f"{stem}_bold_confounds.tsv"]
    res = "_res-2" if generation in ("20.2", "25.2") else ""
    table = "regressors" if generation == "1.5" else "timeseries"
    return [f"{stem}_space-{SPACE}{res}_desc-preproc_bold.nii.gz", f"{stem}_space-{SPACE}{res}_desc-brain_mask.nii.gz",
            f"{stem}_space-{SPACE}{res}_boldref.nii.gz", f"{stem}_desc-confounds_{table}.tsv"]


def anatomy(folder, sub, generation):
    os.makedirs(f"{folder}/anat")
    stem = f"{folder}/anat/{sub}"
    mask = brain_mask()
    if generation == "1.0":
        save(f"{stem}_T1w_preproc.nii.gz", mask * 100, "f4")
        save(f"{stem}_T1w_brainmask.nii.gz", mask, "u1")
        save(f"{stem}_T1w_space-{SPACE}_preproc.nii.gz", mask * 100, "f4")
        save(f"{stem}_T1w_space-{SPACE}_brainmask.nii.gz", mask, "u1")
        save(f"{stem}_T1w_dtissue.nii.gz", mask, "i2")
        return
    for space in ("", f"_space-{SPACE}"):
        save(f"{stem}{space}_desc-preproc_T1w.nii.gz", mask * 100, "f4")
        save(f"{stem}{space}_desc-brain_mask.nii.gz", mask, "u1")
        save(f"{stem}{space}_dseg.nii.gz", mask, "i2")
        for tissue in ("CSF", "GM", "WM"):
            save(f"{stem}{space}_label-{tissue}_probseg.nii.gz", mask / 3, "f4")


def add_run(root, sub, generation, data, columns, task="rest", tr=TR, session="", run=""):
    """Writes one run; returns the names of bold, mask, boldref, confounds."""
    folder = f"{root}/{sub}" + (f"/{session}" if session else "") + "/func"
    os.makedirs(folder, exist_ok=True)
    stem = f"{folder}/{sub}" + (f"_{session}" if session else "") + f"_task-{task}" + (f"_{run}" if run else "")
    bold, mask, ref, table = names_of(generation, stem)
    volumes = data.T.reshape(*SHAPE, len(data))
    save(bold, volumes, "f4", tr=tr)
    save(mask, brain_mask(), "u1")
    if ref:
        save(ref, volumes.mean(3), "f4")
        with open(bold[:-7] + ".json", "w", encoding="utf-8") as file:
            json.dump({"RepetitionTime": tr, "TaskName": task, "SkullStripped": False, "StartTime": 0.0}, file)
    write_confounds(table, columns, generation, -1 if generation == "23.1" else 1)
    # What must not be taken for a second run, or for the one in this space.
    other = bold.replace(SPACE, "T1w")
    save(other, volumes[:20, :20, :20] * 0 + 1, "f4", tr=tr)
    save(other.replace("preproc_bold", "brain_mask").replace("_preproc.nii", "_brainmask.nii"), np.ones((20, 20, 20)), "u1")
    if generation == "1.0":
        open(f"{stem}_bold_space-fsaverage5.L.func.gii", "w").close()
    else:
        open(f"{stem}_hemi-L_space-fsaverage5_bold.func.gii", "w").close()
        open(f"{stem}_space-fsLR_den-91k_bold.dtseries.nii", "w").close()
    if generation in ("23.1", "25.2", "26.0"):
        save(f"{stem}_desc-coreg_boldref.nii.gz", volumes.mean(3), "f4")
        for name in ("from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt", "from-orig_to-boldref_mode-image_desc-hmc_xfm.txt"):
            with open(f"{stem}_{name}", "w", encoding="utf-8") as file:
                file.write("#Insight Transform File V1.0\n")
    if generation in ("23.1", "25.2"):
        save(f"{stem}_desc-hmc_boldref.nii.gz", volumes.mean(3), "f4")
    if generation == "26.0":
        save(f"{stem}_space-orig_desc-hmc_boldref.nii.gz", volumes.mean(3), "f4")
        save(f"{stem}_space-run_boldref.nii.gz", volumes.mean(3), "f4")
    return bold, mask, ref, table


def start(tree, generation):
    """The folder of a tree, with its description; returns where sub-* go."""
    root = f"{tree}/fmriprep" if generation in LEGACY_FOLDER else tree
    os.makedirs(f"{root}/logs")
    if generation in LEGACY_FOLDER:
        os.makedirs(f"{tree}/freesurfer/fsaverage")
    version, bids = VERSIONS[generation]
    description = {"Name": "fMRIPrep - fMRI PREProcessing workflow", "BIDSVersion": bids}
    if generation in ("1.0", "1.5"):
        description["PipelineDescription"] = {"Name": "fMRIPrep", "Version": version}
    else:
        description |= {"DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep", "Version": version}]}
    with open(f"{root}/dataset_description.json", "w", encoding="utf-8") as file:
        json.dump(description, file)
    return root


def tree(path, generation, people=2, n=120, n_dummies=0, seed=1):
    """A tree of people with one rest run each: (root, {sub: (data, columns)})."""
    root = start(path, generation)
    made = {}
    for p in range(people):
        sub = f"sub-{p + 1:02d}"
        rng = np.random.default_rng([seed, p])
        data, columns = series_of(rng, n), confounds_of(rng, n, n_dummies)
        anatomy(f"{root}/{sub}", sub, generation)
        add_run(root, sub, generation, data, columns)
        os.makedirs(f"{root}/{sub}/figures")
        open(f"{root}/{sub}/figures/{sub}_task-rest_desc-carpetplot_bold.svg", "w").close()
        open(f"{root}/{sub}.html", "w").close()
        made[sub] = (data, columns)
    return root, made


def write_atlas(folder):
    """The parcels with their table; returns the image."""
    image = f"{folder}/atlas-Boxes_space-{SPACE}_dseg.nii.gz"
    save(image, parcels(), "i2")
    with open(image[:-7] + ".tsv", "w", encoding="utf-8") as file:
        file.write("index\tname\n" + "".join(f"{i}\tbox-{i}\n" for i in range(1, int(parcels().max()) + 1)))
    return image


def shard(out, sub="sub-01"):
    return h5py.File(f"{out}/{sub}/{sub}.h5")


def reasons(out, sub="sub-01"):
    with shard(out, sub) as f:
        return f["runs/status"][0].decode(), f["runs/reason"][0].decode()


def atlas_name(file):
    return next(a for a in file["timeseries"] if a != "circuits")


def means(data):
    """T x 4: of the boxes 1 to 4."""
    labels = parcels().ravel()
    return np.stack([data[:, labels == i].mean(1) for i in (1, 2, 3, 4)], 1)
