"""Written images and transforms agree with each other: points and voxels are computed again here from the files alone
(nibabel, numpy, h5py), and the same files given back with --derivatives are used instead of computed."""
import glob
import json
import os
import shutil

import h5py
import nibabel as nb
import numpy as np
from scipy.ndimage import binary_erosion, map_coordinates
from support import FAST, Scratch, check, run
from xfm import move, text_maps, through_h5

SPACE = "MNI152NLin2009cAsym"


def grid_points(image, inside):
    return move(image.affine, np.argwhere(inside).astype(float))


def sampled(image, points, order):
    at = move(np.linalg.inv(image.affine), points).T
    return map_coordinates(np.asarray(image.dataobj, dtype=float), at, order=order, mode="mirror")


def agree(name, ours, again, limit=1e-4):
    error = np.abs(ours - again).max() / np.ptp(ours)
    print(f"{name}: largest difference {error:.1e} of the range over {len(ours)} voxels")
    check(error < limit, f"{name}: {error} of the range, expected less than {limit}")


with Scratch() as scratch:
    bids, out = scratch.simulate("bids", 1), scratch.path("out")
    shutil.rmtree(f"{bids}/sub-001/fmap")  # no distortion correction: its field is in no file here
    code, text = run(bids, out, "participant", "--progress", "none", "--write-volumes", "all", "--output-spaces", "T1w",
                     "func", f"{SPACE}:res-5", "--ignore", "slicetiming", *FAST)
    check(code in (0, 1), text)
    a, f = f"{out}/sub-001/anat/sub-001", f"{out}/sub-001/func/sub-001_task-rest"
    to_std, to_t1w = f"{a}_from-T1w_to-{SPACE}_mode-image_xfm.h5", f"{a}_from-{SPACE}_to-T1w_mode-image_xfm.h5"
    in_std = f"_space-{SPACE}_res-5"

    # Anatomy: a probability map by linear interpolation, the T1w by B-splines.
    mask = nb.load(f"{a}{in_std}_desc-brain_mask.nii.gz")
    inside = binary_erosion(mask.get_fdata() > 0, iterations=2)
    points = grid_points(mask, inside)
    check(abs(np.linalg.norm(mask.affine[:3, 0]) - 5) < 1e-6, "res-5 must have voxels of 5 mm")
    t1w_points = through_h5(to_std, points)
    for suffix, order in (("label-WM_probseg", 1), ("desc-preproc_T1w", 3)):
        native, warped = nb.load(f"{a}_{suffix}.nii.gz"), nb.load(f"{a}{in_std}_{suffix}.nii.gz")
        agree(suffix, warped.get_fdata()[inside], sampled(native, t1w_points, order))
    back = np.linalg.norm(through_h5(to_t1w, t1w_points) - points, axis=1)
    print(f"there and back: 99th percentile {np.quantile(back, .99):.3f} mm")
    check(np.quantile(back, .99) < 0.5, "the inverse must lead back")
    tissue = sum(nb.load(f"{a}_label-{t}_probseg.nii.gz").get_fdata() for t in ("GM", "WM", "CSF"))
    brain = nb.load(f"{a}_desc-brain_mask.nii.gz").get_fdata() > 0
    check(np.abs(tissue[brain] - 1).max() < 1e-3 and tissue[~brain].max() == 0, "tissues must add up to 1 in the brain")
    labels = nb.load(f"{a}_dseg.nii.gz").get_fdata()
    check(((labels > 0) == brain).all() and set(np.unique(labels)) == {0, 1, 2, 3}, "dseg must fill the brain mask")

    # The series: one interpolation from the raw volume through warp, coregistration and head motion.
    raw = nb.load(f"{bids}/sub-001/func/sub-001_task-rest_bold.nii.gz")
    coreg = text_maps(f"{f}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt")[0]
    motion = text_maps(f"{f}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt")
    check(len(motion) == raw.shape[3], f"{len(motion)} transforms of {raw.shape[3]} volumes")
    for space, name in (("", ""), ("T1w", "_space-T1w"), (SPACE, in_std)):
        series = nb.load(f"{f}{name}_desc-preproc_bold.nii.gz")
        mask = nb.load(f"{f}{name}_desc-brain_mask.nii.gz")
        inside = binary_erosion(mask.get_fdata() > 0, iterations=2)
        points = grid_points(mask, inside)
        if space == SPACE:
            points = through_h5(to_std, points)
        if space:
            points = move(coreg, points)
        t = 7
        volume = nb.Nifti1Image(np.asarray(raw.dataobj[..., t], dtype=float), raw.affine)
        agree(f"volume {t} in {space or 'boldref'}", series.dataobj[..., t][inside], sampled(volume, move(motion[t], points), 3))
        with open(f"{f}{name}_desc-preproc_bold.json") as j:
            sidecar = json.load(j)
        check(abs(sidecar["RepetitionTime"] - raw.header.get_zooms()[3]) < 1e-6 and sidecar["TaskName"] == "rest"
              and sidecar["SkullStripped"] is True and "bids:raw:sub-001/func/sub-001_task-rest_bold.nii.gz" in
              sidecar["Sources"], f"sidecar {sidecar}")
        check(("Resolution" in sidecar) == (space == SPACE), "Resolution stands where a resolution was asked for")
    for image in glob.glob(f"{out}/sub-*/*/*.nii.gz"):
        check(os.path.exists(image[:-7] + ".json"), f"{image} has no sidecar")

    # Given back, they are used: no mask and no warp are computed, and the series stay the same.
    again = scratch.path("again")
    run(bids, again, "participant", "--progress", "none", "--ignore", "slicetiming", "--derivatives",
        f"first={out}", *FAST, "input.bold=raw", expect=code)
    with h5py.File(f"{out}/sub-001/sub-001.h5") as x, h5py.File(f"{again}/sub-001/sub-001.h5") as y:
        stages = [s.decode() for s in y["provenance/stages/name"][()]]
        check({"precomputed_mask", "precomputed_normalization"} <= set(stages) and "normalization" not in stages, str(stages))
        inputs = [s.decode() for s in y["provenance/inputs/path"][()]]
        check(f"derivatives:first/sub-001/anat/sub-001_from-T1w_to-{SPACE}_mode-image_xfm.h5" in inputs, str(inputs))
        old, new = (h["timeseries/circuits/sub-001_task-rest/series"][()] for h in (x, y))
        agree("region series with given transforms", old[np.isfinite(old)], new[np.isfinite(old)], 1e-3)
        check(abs(x["runs/norm_dice"][0] - y["runs/norm_dice"][0]) < 0.02, "Dice is measured anew")

    # A run that took files from elsewhere is repeated with them or not at all.
    run(bids, again, "group", "--ignore", "slicetiming", "--derivatives", f"first={out}", *FAST, "input.bold=raw", expect=code)
    repeat = ["rerun", f"{again}/cohort.h5", "--bids", bids, "--out", scratch.path("repeated"), "--progress", "none", "--verify"]
    _, text = run(*repeat, expect=2)
    check("--derivatives first=DIR" in text, text)
    run(*repeat, "--derivatives", f"first={out}", expect=0)

    # What the gates look at; half of the head outside the field of view is seen and said.
    def figures(path):
        with h5py.File(path) as f:
            runs = f["runs"]
            return {k: runs[k][0] for k in ("template_coverage", "dropout", "norm_correlation", "norm_min_jacobian",
                                            "norm_max_jacobian", "coreg_displacement_mm", "mirror_gain", "t1w_mirror_gain")}, \
                runs["reason"][0].decode()

    whole, reason = figures(f"{out}/sub-001/sub-001.h5")
    print(whole)
    check(whole["template_coverage"] > 0.95 and whole["dropout"] < 0.1 and "field of view" not in reason, f"{whole} {reason}")
    check(0 < whole["norm_min_jacobian"] < 1 < whole["norm_max_jacobian"] and whole["mirror_gain"] < 0
          and whole["t1w_mirror_gain"] < 0, str(whole))
    name = f"{bids}/sub-001/func/sub-001_task-rest_bold.nii.gz"
    kept = nb.load(name)
    nb.save(kept.slicer[:, :, :kept.shape[2] // 2], scratch.path("half.nii.gz"))
    shutil.move(name, scratch.path("whole.nii.gz"))
    shutil.copy(scratch.path("half.nii.gz"), name)
    empty = scratch.path("empty")
    os.makedirs(f"{empty}/sub-001/anat")
    with open(f"{empty}/dataset_description.json", "w") as j:
        json.dump({"Name": "nothing", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
                   "GeneratedBy": [{"Name": "nobody", "Version": "1"}]}, j)
    run(bids, scratch.path("half"), "participant", "--progress", "none", "--ignore", "slicetiming", "--derivatives",
        f"empty={empty}", *FAST)
    part, reason = figures(scratch.path("half", "sub-001/sub-001.h5"))
    check(part["template_coverage"] < 0.7 and "template's brain is outside the field of view" in reason, f"{part} {reason}")
    check("no transforms between T1w and" in reason and "computed instead" in reason, reason)
    shutil.move(scratch.path("whole.nii.gz"), name)

    # A lesion mask beside the T1w is used and recorded; one that lies elsewhere is refused.
    roi = f"{bids}/sub-001/anat/sub-001_T1w_label-lesion_roi.nii.gz"
    t1w = nb.load(f"{bids}/sub-001/anat/sub-001_T1w.nii.gz")
    lesion = np.zeros(t1w.shape, np.uint8)
    lesion[t1w.shape[0] // 3:t1w.shape[0] // 3 + 6, t1w.shape[1] // 2:t1w.shape[1] // 2 + 6, t1w.shape[2] // 2:t1w.shape[2] // 2 + 6] = 1
    nb.save(nb.Nifti1Image(lesion, t1w.affine), roi)
    masked = scratch.path("masked")
    run(bids, masked, "participant", "--progress", "none", "--ignore", "slicetiming", "--write-volumes", "all", *FAST, expect=code)
    labels = nb.load(f"{masked}/sub-001/anat/sub-001_dseg.nii.gz").get_fdata()
    brain = nb.load(f"{masked}/sub-001/anat/sub-001_desc-brain_mask.nii.gz").get_fdata() > 0
    check(not labels[lesion > 0].any() and (labels[brain & (lesion == 0)] > 0).all(), "the lesion belongs to no tissue, all else does")
    with h5py.File(f"{out}/sub-001/sub-001.h5") as x, h5py.File(f"{masked}/sub-001/sub-001.h5") as y:
        inputs = [s.decode() for s in y["provenance/inputs/path"][()]]
        check("sub-001/anat/sub-001_T1w_label-lesion_roi.nii.gz" in inputs, str(inputs))
        keys = [dict(zip(h["provenance/stages/name"][()], h["provenance/stages/key"][()])) for h in (x, y)]
        check(keys[0][b"head_motion"] == keys[1][b"head_motion"], "motion knows nothing of lesions")
        for stage in (b"bias_field", b"affine", b"brain_mask", b"normalization"):
            check(keys[0][stage] != keys[1][stage], f"{stage} must depend on the lesion")
    moved = t1w.affine.copy()
    moved[0, 3] += 1000
    nb.save(nb.Nifti1Image(lesion, moved), roi)
    _, text = run(bids, masked, "participant", "--progress", "none", "--ignore", "slicetiming", *FAST, expect=1)
    check("the lesion lies outside the T1w" in text, text)

    # Refused before work begins.
    for arguments, word in ((["--output-spaces", "MNI152NLin2009cAsym"], "--write-volumes"),
                            (["--write-volumes", "all", "--output-spaces", "nowhere"], "templates here"),
                            (["--write-volumes", "all", "--output-spaces", "T1w:res-x", "fsaverage"], "surfaces"),
                            (["--derivatives", f"x={scratch.path('absent')}"], "no such folder"),
                            (["--derivatives", f"x={again}"], "output folder")):
        code, text = run(bids, again, "participant", *arguments, *FAST)
        check(code == 2 and word in text, f"{arguments}: code {code}, {text}")
print("ok")
