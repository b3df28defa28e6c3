"""The same head as it came, at 2 mm, and without its skull (real data): brain, tissues and place in the template agree."""
import glob
import json
import os
import shutil
import sys

import nibabel as nb
import numpy as np
from scipy.ndimage import map_coordinates
from support import FAST, SOURCE, Scratch, check, run
from xfm import move, text_maps, through_h5

LEAST_MASK_DICE = 0.95
MOST_VOLUME_CHANGE = 0.15
LEAST_T1W_CORRELATION = 0.95
MOST_MOVED_MM = 1.5  # median over the brain, from a point of the template to the BOLD reference: half a voxel of it
DATA = f"{SOURCE}/../shared/data/bids/studyforrest-sub02/sub-02"
N_VOLUMES = 40


def add_person(folder, label, t1w):
    for kind in ("anat", "func"):
        os.makedirs(f"{folder}/sub-{label}/{kind}")
    nb.save(t1w, f"{folder}/sub-{label}/anat/sub-{label}_T1w.nii.gz")
    bold = glob.glob(f"{DATA}/func/*run-1_bold.nii.gz")[0]
    series = nb.load(bold)
    head = nb.Nifti1Image(np.asarray(series.dataobj[..., :N_VOLUMES], np.float32), series.affine)
    head.header.set_zooms(series.header.get_zooms())
    head.header.set_xyzt_units("mm", "sec")
    nb.save(head, f"{folder}/sub-{label}/func/sub-{label}_task-rest_bold.nii.gz")
    shutil.copy(bold[:-7] + ".json", f"{folder}/sub-{label}/func/sub-{label}_task-rest_bold.json")


def at_2mm(image):
    """Blocks of 3 voxels of 0.67 mm, averaged."""
    data = image.get_fdata(dtype=np.float32)
    size = np.array(data.shape) // 3
    data = data[tuple(slice(0, 3 * n) for n in size)].reshape(size[0], 3, size[1], 3, size[2], 3).mean((1, 3, 5))
    affine = image.affine @ np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = image.affine[:3, 3] + image.affine[:3, :3] @ [1.0, 1.0, 1.0]
    return nb.Nifti1Image(data, affine)


def on(image, grid):
    points = np.linalg.inv(image.affine) @ grid.affine
    at = points[:3, :3] @ np.indices(grid.shape[:3]).reshape(3, -1) + points[:3, 3:]
    return map_coordinates(np.asarray(image.dataobj, float), at, order=1).reshape(grid.shape[:3])


def dice(a, b):
    return 2.0 * np.sum(a & b) / (a.sum() + b.sum())


def correlation(a, b, mask):
    inside = np.asarray(mask.dataobj) > 0
    return np.corrcoef(a.get_fdata()[inside], b.get_fdata()[inside])[0, 1]


class Person:
    def __init__(self, out, label):
        self.anat = f"{out}/sub-{label}/anat/sub-{label}"
        self.mask = nb.load(f"{self.anat}_desc-brain_mask.nii.gz")
        voxel = abs(np.linalg.det(self.mask.affine[:3, :3])) * 1e-3
        self.volumes = {c: nb.load(f"{self.anat}_label-{c}_probseg.nii.gz").get_fdata().sum() * voxel
                        for c in ("CSF", "GM", "WM")}
        self.std = nb.load(glob.glob(f"{self.anat}_space-*_desc-preproc_T1w.nii.gz")[0])
        self.std_mask = nb.load(glob.glob(f"{self.anat}_space-*_desc-brain_mask.nii.gz")[0])
        self.to_std = glob.glob(f"{self.anat}_from-T1w_to-MNI*_mode-image_xfm.h5")[0]
        self.coreg = text_maps(glob.glob(f"{out}/sub-{label}/func/*_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt")[0])[0]

    def in_bold(self, points):
        return move(self.coreg, through_h5(self.to_std, points))


if not os.path.isdir(DATA):
    print("no studyforrest-sub02 beside the checkout: nothing was tested")
    sys.exit(77)
with Scratch() as scratch:
    bids, out = scratch.path("bids"), scratch.path("out")
    os.makedirs(bids)
    with open(f"{bids}/dataset_description.json", "w") as f:
        json.dump({"Name": "one head in three forms", "BIDSVersion": "1.9.0"}, f)
    native = nb.load(glob.glob(f"{DATA}/anat/*_T1w.nii.gz")[0])
    add_person(bids, "native", native)
    options = ["--progress", "none", "--write-volumes", "all", *FAST]
    run(bids, out, "participant", *options, expect=0)
    first = Person(out, "native")
    add_person(bids, "coarse", at_2mm(native))
    brain = on(first.mask, native) > 0.5
    add_person(bids, "stripped", nb.Nifti1Image(np.where(brain, native.get_fdata(dtype=np.float32), 0), native.affine))
    run(bids, out, "participant", *options, expect=0)

    print("native: " + ", ".join(f"{c} {v:.0f} ml" for c, v in first.volumes.items()))
    check(0.05 < first.volumes["CSF"] / sum(first.volumes.values()) < 0.35, f"cerebrospinal fluid: {first.volumes}")
    check(1.0 < first.volumes["GM"] / first.volumes["WM"] < 2.2, f"grey and white matter: {first.volumes}")
    inside = np.argwhere(np.asarray(first.std_mask.dataobj) > 0)[::5]
    points = move(first.std_mask.affine, inside.astype(float))
    for label in ("coarse", "stripped"):
        other = Person(out, label)
        overlap = dice(on(other.mask, first.mask) > 0.5, np.asarray(first.mask.dataobj) > 0)
        change = {c: other.volumes[c] / v - 1.0 for c, v in first.volumes.items()}
        r = correlation(other.std, first.std, first.std_mask)
        moved = np.linalg.norm(other.in_bold(points) - first.in_bold(points), axis=1)
        print(f"{label}: Dice of the brain {overlap:.3f}; volumes " + ", ".join(f"{c} {d:+.1%}" for c, d in change.items())
              + f"; T1w in template space r {r:.4f}; place in the BOLD reference {np.median(moved):.2f} mm apart (median), "
              f"{np.quantile(moved, .95):.2f} mm (95th percentile)")
        check(overlap > LEAST_MASK_DICE, f"{label}: brain mask")
        check(max(map(abs, change.values())) < MOST_VOLUME_CHANGE, f"{label}: volumes of the tissues")
        check(r > LEAST_T1W_CORRELATION, f"{label}: T1w in template space")
        check(np.median(moved) < MOST_MOVED_MM, f"{label}: place in the BOLD reference")
