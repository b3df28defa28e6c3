"""Preprocessed series are read instead of raw ones. Our own images and confounds are laid out as fMRIPrep of each naming
generation wrote them; the region series must be those of the raw run. Then what can be wrong with such a tree."""
import csv
import json
import os
import re
import shutil

import h5py
import nibabel as nb
import numpy as np
from support import FAST, Scratch, check, run

SPACE = "MNI152NLin2009cAsym"
QUIET = ["--progress", "none"]
OLD = {"trans_x": "X", "trans_y": "Y", "trans_z": "Z", "rot_x": "RotX", "rot_y": "RotY", "rot_z": "RotZ", "csf": "CSF",
       "white_matter": "WhiteMatter", "global_signal": "GlobalSignal", "framewise_displacement": "FramewiseDisplacement",
       "std_dvars": "stdDVARS", "dvars": "non-stdDVARS"}
DESCRIPTIONS = {
    "1.0": {"Name": "fMRIPrep output", "BIDSVersion": "1.0.0", "PipelineDescription": {"Name": "fMRIPrep", "Version": "1.0.15"}},
    "1.5": {"Name": "fMRIPrep - fMRI PREProcessing workflow", "BIDSVersion": "1.1.1",
            "PipelineDescription": {"Name": "fMRIPrep", "Version": "1.5.10"}},
    "20.2": {"Name": "fMRIPrep", "BIDSVersion": "1.4.0", "DatasetType": "derivative",
             "GeneratedBy": [{"Name": "fMRIPrep", "Version": "20.2.7"}]},
    "23.1": {"Name": "fMRIPrep", "BIDSVersion": "1.4.0", "DatasetType": "derivative",
             "GeneratedBy": [{"Name": "fMRIPrep", "Version": "23.1.4"}]},
    "26.0": {"Name": "fMRIPrep", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
             "GeneratedBy": [{"Name": "fMRIPrep", "Version": "26.0.0"}]}}
NAMES = {  # bold, mask, boldref, confounds
    "1.0": ("bold_space-S_preproc.nii.gz", "bold_space-S_brainmask.nii.gz", None, "bold_confounds.tsv"),
    "1.5": ("space-S_desc-preproc_bold.nii.gz", "space-S_desc-brain_mask.nii.gz", "space-S_boldref.nii.gz",
            "desc-confounds_regressors.tsv"),
    "20.2": ("space-S_res-2_desc-preproc_bold.nii.gz", "space-S_res-2_desc-brain_mask.nii.gz", "space-S_res-2_boldref.nii.gz",
             "desc-confounds_timeseries.tsv"),
    "23.1": ("space-S_desc-preproc_bold.nii.gz", "space-S_desc-brain_mask.nii.gz", "space-S_boldref.nii.gz",
             "desc-confounds_timeseries.tsv"),
    "26.0": ("space-S_desc-preproc_bold.nii.gz", "space-S_desc-brain_mask.nii.gz", "space-S_boldref.nii.gz",
             "desc-confounds_timeseries.tsv")}


def read_table(path):
    with open(path) as f:
        rows = list(csv.reader(f, delimiter="\t"))
    return rows[0], rows[1:]


def write_table(path, names, rows):
    with open(path, "w") as f:
        f.write("\n".join("\t".join(r) for r in [names, *rows]) + "\n")


def old_names(names, rows):
    """As before 1.2: other names, no expansions."""
    kept = [k for k, n in enumerate(names) if not re.search(r"_(derivative1|power2)", n) and not n.startswith(
        ("edge_", "c_comp", "w_comp", "csf_wm", "tcompcor", "rmsd", "motion_outlier"))]
    new = [re.sub(r"^cosine", "Cosine", re.sub(r"^([at])_comp_cor_", r"\1CompCor", OLD.get(names[k], names[k]))) for k in kept]
    return new, [[row[k] for k in kept] for row in rows]


def lay_out(out, tree, generation, task="rest"):
    """The images of `out` in a tree of that generation, for every participant."""
    root = f"{tree}/fmriprep" if generation in ("1.0", "1.5") else tree
    for sub in sorted(d for d in os.listdir(out) if d.startswith("sub-") and os.path.isdir(f"{out}/{d}")):
        func = f"{root}/{sub}/func"
        os.makedirs(func)
        ours, stem = f"{out}/{sub}/func/{sub}_task-{task}", f"{func}/{sub}_task-{task}_"
        bold, mask, ref, confounds = (n and stem + n.replace("S_", SPACE + "_", 1) for n in NAMES[generation])
        shutil.copy(f"{ours}_space-{SPACE}_desc-preproc_bold.nii.gz", bold)
        shutil.copy(f"{ours}_space-{SPACE}_desc-brain_mask.nii.gz", mask)
        if ref:
            shutil.copy(f"{ours}_space-{SPACE}_boldref.nii.gz", ref)
            with open(bold[:-7] + ".json", "w") as f:
                json.dump({"RepetitionTime": 2.0, "TaskName": task, "SkullStripped": False}, f)
        names, rows = read_table(f"{ours}_desc-confounds_timeseries.tsv")
        if generation == "1.0":
            names, rows = old_names(names, rows)
        if generation == "23.1":  # order is not to be relied on
            names, rows = names[::-1], [r[::-1] for r in rows]
        write_table(confounds, names, rows)
        with open(confounds[:-4] + ".json", "w") as f:
            json.dump({}, f)
        if generation == "26.0":
            shutil.copy(f"{ours}_space-{SPACE}_boldref.nii.gz", f"{stem}space-orig_desc-hmc_boldref.nii.gz")
        # A second space must not be taken for a second run.
        shutil.copy(bold, bold.replace(SPACE, "T1w"))
    with open(f"{root}/dataset_description.json", "w") as f:
        json.dump(DESCRIPTIONS[generation], f)
    return root


def shard(out, sub="sub-001"):
    return h5py.File(f"{out}/{sub}/{sub}.h5")


def reasons(out, sub="sub-001"):
    with shard(out, sub) as f:
        return f["runs/status"][0].decode(), f["runs/reason"][0].decode()


with Scratch() as scratch:
    bids, out = scratch.simulate("bids", 2), scratch.path("out")
    code, text = run(bids, out, "participant", *QUIET, "--write-volumes", "all", *FAST)
    check(code in (0, 1), text)
    with shard(out) as f:
        run_id = f["runs/run_id"][0].decode()
        raw = {a: f[f"timeseries/{a}/{run_id}/series"][()] for a in ("circuits", "AAL")}
        covered = {a: f[f"timeseries/{a}/{run_id}/coverage"][()] for a in raw}
        edges = f["connectivity/rest/circuits/fisher_z"][0]
        dof, n_kept, tsnr = f["runs/dof_left"][0], f["runs/n_kept"][0], f["runs/tsnr"][0]
        measures = f["circuits/measures"][0]

    for generation in NAMES:
        tree, again = scratch.path(f"tree{generation}"), scratch.path(f"again{generation}")
        root = lay_out(out, tree, generation)
        # From beside the raw dataset, and for two generations from the derivatives alone.
        alone = generation in ("1.5", "23.1")
        first = [tree] if alone else [bids]
        last = [] if alone else ["--derivatives", f"fmriprep={tree}"]
        run(*first, again, "participant", *QUIET, *last, *FAST, expect=0)
        with shard(again) as f:
            inputs = [s.decode() for s in f["provenance/inputs/path"][()]]
            prefix = "" if alone else "derivatives:fmriprep/"
            check(all(p.startswith(prefix + "sub-001/func/") for p in inputs) and len(inputs) == 4, str(inputs))
            stages = [s.decode() for s in f["provenance/stages/name"][()]]
            check("derived_run" in stages and "head_motion" not in stages and "affine" not in stages, str(stages))
            for atlas, series in raw.items():
                new = f[f"timeseries/{atlas}/{run_id}/series"][()]
                full = covered[atlas] > 0.98  # elsewhere the two masks differ by a rim
                check(full.sum() > 10, f"{atlas}: {full.sum()} regions to compare")
                error = np.abs(new[:, full] - series[:, full]).max() / np.nanmax(series)
                print(f"{generation} {atlas}: {full.sum()} regions, largest difference {error:.1e} of the largest value")
                check(error < 5e-3, f"{generation} {atlas}: {error}")
            check(f["runs/dof_left"][0] == dof and f["runs/n_kept"][0] == n_kept, "degrees of freedom and volumes kept")
            close = np.nanmax(np.abs(f["connectivity/rest/circuits/fisher_z"][0] - edges))
            print(f"{generation}: largest difference of Fisher z {close:.3f}; tSNR {f['runs/tsnr'][0]:.1f}, raw {tsnr:.1f}")
            check(close < 0.1, f"edges differ by {close}")
            check(np.isfinite(f["circuits/measures"][0]).sum() == np.isfinite(measures).sum(), "the same measures are there")
            names = [s.decode() for s in f[f"confounds/{run_id}/confound"][()]]
            check({"trans_x", "rot_z_derivative1_power2", "csf_power2", "framewise_displacement", "std_dvars"} <= set(names),
                  str(names))
            check(f["runs/norm_dice"][0] > 0.8 and f["quality/mean_fd"][0] > 0, "overlap and quality")

    # The group level, repetition from the file, and what a second call does.
    again = scratch.path("again20.2")
    run(bids, again, "group", "--derivatives", f"fmriprep={scratch.path('tree20.2')}", *FAST)
    code, text = run("rerun", f"{again}/cohort.h5", "--bids", bids, "--out", scratch.path("repeated"), "--derivatives",
                     f"fmriprep={scratch.path('tree20.2')}", *QUIET, "--verify")
    check(code == 0, text)
    _, text = run(bids, again, "participant", "--progress", "lines", "--derivatives", f"fmriprep={scratch.path('tree20.2')}", *FAST)
    check("derived" not in text, text)

    # Despiked before the average.
    run(bids, scratch.path("despiked"), "participant", *QUIET, "--derivatives", f"f={scratch.path('tree20.2')}", *FAST,
        "voxels.despike=true", expect=0)
    with shard(scratch.path("despiked")) as f:
        new = f[f"timeseries/circuits/{run_id}/series"][()]
        full = covered["circuits"] > 0.98
        error = np.nanmax(np.abs(new[:, full] - raw["circuits"][:, full])) / np.nanmax(raw["circuits"])
        check(1e-6 < error < 0.05, f"despiking changes little, and something: {error}")

    # Whatever is wrong with sub-001, sub-002 goes on.
    def broken(name, change, word, *options, status="failed"):
        tree = scratch.path("broken_" + name)
        lay_out(out, tree, "20.2")
        func = f"{tree}/sub-001/func/sub-001_task-rest_"
        change(func)
        folder = scratch.path("out_" + name)
        run(bids, folder, "participant", *QUIET, "-w", scratch.path("work"), "--derivatives", f"f={tree}", *FAST, "input.bold=derivatives", *options,
            expect=1)
        found = reasons(folder)
        check(found[0] == status and word in found[1], f"{name}: {found}, expected {status} with \"{word}\"")
        if status == "failed":
            check(reasons(folder, "sub-002")[0] in ("ok", "warning"), f"{name}: {reasons(folder, 'sub-002')}")
        print(f"{name}: {found[1][:150]}")

    table = "desc-confounds_timeseries.tsv"
    bold, mask = f"space-{SPACE}_res-2_desc-preproc_bold.nii.gz", f"space-{SPACE}_res-2_desc-brain_mask.nii.gz"

    def of_table(body):
        def change(func):
            names, rows = read_table(func + table)
            write_table(func + table, *body(names, rows))
        return change

    def of_image(image, body):
        def change(func):
            loaded = nb.load(func + image)
            new = body(loaded)
            nb.save(new, func + "new.nii.gz")
            os.replace(func + "new.nii.gz", func + image)
        return change

    def without(column):
        return of_table(lambda names, rows: ([n for n in names if not n.startswith(column)],
                                             [[v for n, v in zip(names, r) if not n.startswith(column)] for r in rows]))

    def moved(image):
        affine = image.affine.copy()
        affine[:3, 3] += (0, 90, 60)
        return nb.Nifti1Image(np.asarray(image.dataobj), affine)

    broken("no_column", without("white_matter"), "white_matter", status="excluded")
    broken("no_confounds", lambda func: os.remove(func + table), "no confounds")
    broken("no_mask", lambda func: os.remove(func + mask), "brain mask")
    broken("short_table", of_table(lambda names, rows: (names, rows[:-5])), "rows of confounds")
    broken("empty_column", of_table(lambda names, rows: (names, [[("n/a" if n.startswith("csf") else v) for n, v in zip(names, r)]
                                                                 for r in rows])), "csf", status="excluded")
    broken("other_grid", of_image(mask, lambda m: m.slicer[:-1]), "grid differs")
    broken("two_volumes", lambda func: (of_image(bold, lambda b: b.slicer[..., :2])(func),
                                        of_table(lambda names, rows: (names, rows[:2]))(func)), "volumes", status="excluded")
    broken("elsewhere", lambda func: (of_image(bold, moved)(func), of_image(mask, moved)(func)), "is it in the space")
    broken("empty_mask", of_image(mask, lambda m: nb.Nifti1Image(np.zeros(m.shape, np.uint8), m.affine)), "mask is empty")
    broken("no_bold", lambda func: os.remove(func + bold), "spaces found")
    broken("censored", lambda func: None, "", "--fd-thresh", "0.0001", status="excluded")
    broken("many_regressors", lambda func: None, "degrees of freedom", "nuisance_regression.strategy=36P",
           "nuisance_regression.high_pass_hz=0.01", "nuisance_regression.low_pass_hz=0.02", status="excluded")
print("ok")
