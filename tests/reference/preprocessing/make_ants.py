"""References of the preprocessing stages by antspyx 0.6.3 (ANTs), on real images:

  python make_ants.py DATA/bids/pyneal-demo TEMPLATES/mni152.nii.gz /usr/share/mricron/templates > ants.json

Nothing of boldmill is used. Positions are RAS mm. What is stored: positions and the values found there.
"""
import json
import sys

import ants
import nibabel as nib
import numpy as np

RNG = np.random.default_rng(11)


def positions(mask, n):
    """RAS mm of n voxels of a mask, and their indices."""
    index = RNG.permutation(np.argwhere(mask.numpy() > 0))[:n]
    lps = np.array([ants.transform_index_to_physical_point(mask, i) for i in index.tolist()])
    return lps * [-1, -1, 1], index


def at(image, index):
    return image.numpy()[tuple(index.T)]


def carried(points_ras, transforms, invert=None):
    import pandas
    frame = pandas.DataFrame(points_ras * [-1, -1, 1], columns=["x", "y", "z"])
    options = {} if invert is None else {"whichtoinvert": invert}
    return ants.apply_transforms_to_points(3, frame, transforms, **options)[["x", "y", "z"]].to_numpy() * [-1, -1, 1]


def rows(array, digits=3):
    return np.round(np.asarray(array, dtype=float), digits).tolist()


def digits(values):
    return "".join(str(int(x)) for x in values)


bids, template_path, mricron = sys.argv[1:]
out = {"tool": f"antspyx {ants.__version__}", "command": __doc__.split("\n")[2].strip()}

# Anatomy: N4; a brain mask carried from Colin27, whose head is known with and without skull; tissue by Atropos.
t1w = ants.image_read(f"{bids}/sub-ge01/anat/sub-ge01_T1w.nii.gz")
head = ants.get_mask(t1w)
corrected = ants.n4_bias_field_correction(t1w, mask=head, shrink_factor=4)
log_field = ants.from_numpy(np.log(np.maximum(t1w.numpy(), 1) / np.maximum(corrected.numpy(), 1)), origin=t1w.origin,
                            spacing=t1w.spacing, direction=t1w.direction)
colin, colin_brain = (ants.image_read(f"{mricron}/{name}.nii.gz") for name in ("ch2", "ch2bet"))
to_colin = ants.registration(colin, corrected, "SyN", random_seed=1)
mask = ants.apply_transforms(t1w, ants.threshold_image(colin_brain, 1, None), to_colin["invtransforms"], "nearestNeighbor",
                             whichtoinvert=[True, False])
inside = ants.morphology(mask, "erode", 2)
around = ants.morphology(mask, "dilate", 12)
ras, index = positions(around, 1500)
out["brain_mask"] = {"ras_mm": rows(ras, 1), "inside": digits(at(mask, index)),
                     "volume_ml": float(mask.sum() * np.prod(mask.spacing) / 1000)}
ceiling = np.quantile(corrected.numpy()[mask.numpy() > 0], 0.995)  # else one class is vessels and fat alone
brain = ants.from_numpy(np.minimum(corrected.numpy(), ceiling), origin=t1w.origin, spacing=t1w.spacing, direction=t1w.direction)
segmented = ants.atropos(a=brain, x=mask, i="kmeans[3]", m="[0.2,1x1x1]", c="[5,0]")["segmentation"]
ras, index = positions(inside, 1500)
out["tissue"] = {"ras_mm": rows(ras, 1), "label": digits(at(segmented, index)), "classes": "1 CSF, 2 grey, 3 white"}
white = ants.morphology(ants.threshold_image(segmented, 3, 3), "erode", 1)
ras, index = positions(white, 400)
field = at(log_field, index)
out["bias_field"] = {"white_matter_ras_mm": rows(ras, 1), "log_field": rows(field - field.mean(), 4),
                     "raw_cv": float(np.std(at(t1w, index)) / np.mean(at(t1w, index))),
                     "corrected_cv": float(np.std(at(corrected, index)) / np.mean(at(corrected, index)))}

# Template: affine and SyN with cross-correlation at 2 mm, brain to brain.
# Its qform has no origin, which ITK would take; the sform has.
affine = nib.load(template_path).affine
template = ants.from_numpy(ants.image_read(template_path).numpy(), origin=(affine[:3, 3] * [-1, -1, 1]).tolist(),
                           spacing=np.abs(np.diag(affine)[:3]).tolist(),
                           direction=np.diag(np.sign(np.diag(affine)[:3]) * [-1, -1, 1]))
fixed = ants.resample_image(template, (2, 2, 2), False, 0)
moving = ants.resample_image(corrected * mask, (2, 2, 2), False, 0)
found = ants.registration(fixed, moving, "SyNCC", random_seed=1)
ras, _ = positions(ants.morphology(ants.threshold_image(fixed, 1e-3, None), "erode", 1), 300)
out["normalization"] = {"template_ras_mm": rows(ras, 2), "t1w_ras_mm": rows(carried(ras, found["fwdtransforms"]), 3),
                        "t1w_ras_mm_affine": rows(carried(ras, found["fwdtransforms"][1:]), 3)}

# BOLD: volumes to the first, and the mean of aligned volumes to the T1w, rigid by mutual information.
bold = ants.image_read(f"{bids}/sub-siemens01/func/sub-siemens01_task-rest_dir-AP_bold.nii.gz")
volumes = {t: ants.slice_image(bold, 3, t) for t in range(5, 60, 9)}
first = volumes[5]
brain = ants.get_mask(first)
ras, _ = positions(brain, 60)
moved, aligned = [], []
for t, volume in volumes.items():
    rigid = ants.registration(first, volume, "Rigid", mask=brain, random_seed=1, aff_metric="GC",
                              aff_sampling=32, aff_random_sampling_rate=1.0)
    moved.append({"volume": t, "ras_mm": rows(carried(ras, rigid["fwdtransforms"]), 4)})
    aligned.append(rigid["warpedmovout"].numpy())
out["head_motion"] = {"reference_volume": 5, "reference_ras_mm": rows(ras, 3), "volumes": moved}
mean = ants.from_numpy(np.mean(aligned, axis=0), origin=first.origin, spacing=first.spacing, direction=first.direction)
anatomy = ants.image_read(f"{bids}/sub-siemens01/anat/sub-siemens01_T1w.nii.gz")
anatomy = ants.n4_bias_field_correction(anatomy, mask=ants.get_mask(anatomy), shrink_factor=4)
coreg = ants.registration(mean, anatomy, "Rigid", random_seed=1, aff_metric="mattes", aff_random_sampling_rate=0.5)
out["coregistration"] = {"bold_ras_mm": rows(ras, 3), "t1w_ras_mm": rows(carried(ras, coreg["fwdtransforms"]), 4)}
json.dump(out, sys.stdout, separators=(",", ":"))
