"""ANTs and dipy on the same images; run by the rivals' Python, answers with one line of JSON.

  rivals.py affine BRAIN MASK TEMPLATE OUR_AFFINE.txt OUR_HEAD_AFFINE.txt
  rivals.py prepare T1W MASK TEMPLATE PREFIX          writes the 2 mm images that both tools see
  rivals.py normalisation PREFIX OUR_WARP.h5
"""
import json
import sys
import time

import ants
import nibabel as nib
import numpy as np

FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def read(path):
    """ITK takes the qform, and that of the default template has no origin."""
    affine = nib.load(path).affine
    image = ants.image_read(path)
    if np.count_nonzero(affine[:3, :3] - np.diag(np.diag(affine)[:3])):
        return image
    signs = np.sign(np.diag(affine)[:3])
    return ants.from_numpy(image.numpy(), origin=(affine[:3, 3] * [-1, -1, 1]).tolist(),
                           spacing=np.abs(np.diag(affine)[:3]).tolist(), direction=np.diag(signs * [-1, -1, 1]))


def overlap(a, b):
    a, b = a.numpy() > 0.5, b.numpy() > 0.5
    return float(2.0 * np.sum(a & b) / (a.sum() + b.sum()))


def dipy_affine(fixed_path, moving_path, folder):
    """dipy's usual chain: centres of mass, translation, rigid, affine by mutual information."""
    from dipy.align.imaffine import AffineRegistration, MutualInformationMetric, transform_centers_of_mass
    from dipy.align.transforms import AffineTransform3D, RigidTransform3D, TranslationTransform3D
    fixed, moving = nib.load(fixed_path), nib.load(moving_path)
    f, m = fixed.get_fdata(), moving.get_fdata()
    begun = time.monotonic()
    found = transform_centers_of_mass(f, fixed.affine, m, moving.affine)
    registration = AffineRegistration(metric=MutualInformationMetric(nbins=32, sampling_proportion=None),
                                      level_iters=[10000, 1000, 100], sigmas=[3.0, 1.0, 0.0], factors=[4, 2, 1], verbosity=0)
    for kind in (TranslationTransform3D, RigidTransform3D, AffineTransform3D):
        found = registration.optimize(f, m, kind(), None, fixed.affine, moving.affine, starting_affine=found.affine)
    seconds = time.monotonic() - begun
    lps = FLIP @ found.affine @ FLIP  # fixed to moving
    transform = ants.create_ants_transform(transform_type="AffineTransform", matrix=lps[:3, :3], translation=lps[:3, 3])
    ants.write_transform(transform, f"{folder}_dipy.mat")
    return f"{folder}_dipy.mat", seconds


def affine(brain_path, mask_path, template_path, ours, ours_head):
    brain, mask, fixed = ants.image_read(brain_path), ants.image_read(mask_path), read(template_path)
    begun = time.monotonic()
    found = ants.registration(fixed, brain, "Affine", random_seed=1)
    seconds = {"antspyx Affine": time.monotonic() - begun}
    coarse = [brain_path.replace("_brain.nii.gz", f"_{which}2mm.nii.gz") for which in ("template", "brain")]
    for image, path in zip((fixed, brain), coarse):  # at full resolution it takes 10 minutes
        ants.image_write(ants.resample_image(image, (2, 2, 2), False, 0), path)
    dipy, seconds["dipy affine at 2 mm"] = dipy_affine(*coarse, brain_path[:-7])
    inside = ants.threshold_image(fixed, 1e-3, None)
    fixed_classes, brain_classes = (classes_at_2mm(image) for image in (fixed, brain))
    dice, r, tissue = {}, {}, {}
    maps = {"boldmill, brain": [ours], "boldmill, head with skull": [ours_head], "antspyx Affine": found["fwdtransforms"], "dipy affine at 2 mm": [dipy]}
    for tool, transforms in maps.items():
        dice[tool] = overlap(ants.apply_transforms(fixed, mask, transforms, interpolator="nearestNeighbor"), inside)
        warped = ants.apply_transforms(fixed, brain, transforms).numpy()
        r[tool] = float(np.corrcoef(warped[inside.numpy() > 0], fixed.numpy()[inside.numpy() > 0])[0, 1])
        carried = ants.apply_transforms(fixed_classes, brain_classes, transforms, interpolator="genericLabel")
        tissue[tool] = float(np.mean(dice_of_classes(carried, fixed_classes)))
    return {"dice": dice, "r": r, "tissue": tissue, "seconds": seconds}


def prepare(t1w_path, mask_path, template_path, prefix):
    t1w, mask = ants.image_read(t1w_path), ants.image_read(mask_path)
    names = {k: f"{prefix}_{k}.nii.gz" for k in ("fixed", "moving", "fixed_mask", "moving_mask")}
    fixed = ants.resample_image(read(template_path), (2, 2, 2), False, 0)
    moving = ants.resample_image(t1w * mask, (2, 2, 2), False, 0)
    ants.image_write(fixed, names["fixed"])
    ants.image_write(moving, names["moving"])
    ants.image_write(ants.threshold_image(fixed, 1e-3, None), names["fixed_mask"])
    ants.image_write(ants.threshold_image(moving, 1e-3, None), names["moving_mask"])
    return names


def classes(image, mask):
    ceiling = np.quantile(image.numpy()[mask.numpy() > 0], 0.995)  # else one class is vessels and fat alone
    image = image.new_image_like(np.minimum(image.numpy(), ceiling))
    return ants.atropos(a=image, x=mask, i="kmeans[3]", m="[0.2,1x1x1]", c="[5,0]")["segmentation"]


def classes_at_2mm(brain):
    coarse = ants.resample_image(brain, (2, 2, 2), False, 0)
    return classes(coarse, ants.threshold_image(coarse, 1e-3, None))


def dice_of_classes(a, b):
    a, b = a.numpy(), b.numpy()
    return [float(2.0 * np.sum((a == k) & (b == k)) / (np.sum(a == k) + np.sum(b == k))) for k in (1, 2, 3)]


def normalisation(prefix, ours):
    """Rigid, affine and SyN with cross-correlation against our command of the same content."""
    fixed, moving, fixed_mask, moving_mask = (ants.image_read(f"{prefix}_{k}.nii.gz") for k in ("fixed", "moving", "fixed_mask", "moving_mask"))
    begun = time.monotonic()
    found = ants.registration(fixed, moving, "SyNCC", random_seed=1)
    seconds = time.monotonic() - begun
    fixed_classes, moving_classes = classes(fixed, fixed_mask), classes(moving, moving_mask)
    out = {"seconds": seconds}
    for name, transforms in (("theirs", found["fwdtransforms"]), ("ours", [ours])):
        carried = ants.apply_transforms(fixed, moving_classes, transforms, interpolator="genericLabel")
        out[name] = dice_of_classes(carried, fixed_classes)
    out["jacobian"] = float(ants.create_jacobian_determinant_image(fixed, found["fwdtransforms"][0]).numpy()[fixed_mask.numpy() > 0].min())
    return out


print(json.dumps({"affine": affine, "prepare": prepare, "normalisation": normalisation}[sys.argv[1]](*sys.argv[2:])))
