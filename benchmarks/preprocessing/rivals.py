"""ANTs and dipy on the same images; run by the rivals' Python, answers with one line of JSON.

  rivals.py affine BRAIN MASK TEMPLATE OUR_AFFINE.txt OUR_HEAD_AFFINE.txt
  rivals.py prepare T1W MASK TEMPLATE PREFIX          writes the 2 mm images that both tools see
  rivals.py normalisation PREFIX OUR_WARP.h5,... TOOL,...    of ANTs SyNCC, dipy SyN
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
    return f"{folder}_dipy.mat", seconds, found.affine


def affine(brain_path, mask_path, template_path, ours, ours_head):
    brain, mask, fixed = ants.image_read(brain_path), ants.image_read(mask_path), read(template_path)
    begun = time.monotonic()
    found = ants.registration(fixed, brain, "Affine", random_seed=1)
    seconds = {"antspyx Affine": time.monotonic() - begun}
    coarse = [brain_path.replace("_brain.nii.gz", f"_{which}2mm.nii.gz") for which in ("template", "brain")]
    for image, path in zip((fixed, brain), coarse):  # at full resolution it takes 10 minutes
        ants.image_write(ants.resample_image(image, (2, 2, 2), False, 0), path)
    dipy, seconds["dipy affine at 2 mm"], _ = dipy_affine(*coarse, brain_path[:-7])
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


def ants_syn(prefix, images):
    found = ants.registration(images["fixed"], images["moving"], "SyNCC", random_seed=1)

    def carry(labels):
        return ants.apply_transforms(images["fixed"], labels, found["fwdtransforms"], interpolator="genericLabel")

    def least_jacobian():
        jacobian = ants.create_jacobian_determinant_image(images["fixed"], found["fwdtransforms"][0])
        return float(jacobian.numpy()[images["fixed_mask"].numpy() > 0].min())
    return carry, least_jacobian


def dipy_syn(prefix, images):
    """Its usual affine chain, then its symmetric diffeomorphism by cross-correlation with the settings of its own example."""
    from dipy.align.imwarp import SymmetricDiffeomorphicRegistration
    from dipy.align.metrics import CCMetric
    paths = f"{prefix}_fixed.nii.gz", f"{prefix}_moving.nii.gz"
    _, _, start = dipy_affine(*paths, prefix)
    fixed, moving = (nib.load(p) for p in paths)
    mapping = SymmetricDiffeomorphicRegistration(CCMetric(3), [10, 10, 5]).optimize(
        fixed.get_fdata(), moving.get_fdata(), fixed.affine, moving.affine, start)

    def carry(labels):
        return images["fixed"].new_image_like(mapping.transform(labels.numpy(), "nearest").astype(np.float32))
    return carry, lambda: None


def normalisation(prefix, ours, tools):
    """Affine and diffeomorphism by cross-correlation against our command of the same content."""
    images = {k: ants.image_read(f"{prefix}_{k}.nii.gz") for k in ("fixed", "moving", "fixed_mask", "moving_mask")}
    fixed_classes, moving_classes = (classes(images[k], images[k + "_mask"]) for k in ("fixed", "moving"))
    carried = [ants.apply_transforms(images["fixed"], moving_classes, [warp], interpolator="genericLabel") for warp in ours.split(",")]
    out = {"ours": [dice_of_classes(one, fixed_classes) for one in carried], "rivals": {}}
    for tool in tools.split(","):
        begun, cpu = time.monotonic(), time.process_time()
        carry, least_jacobian = {"ANTs SyNCC": ants_syn, "dipy SyN": dipy_syn}[tool](prefix, images)
        seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
        out["rivals"][tool] = {"dice": dice_of_classes(carry(moving_classes), fixed_classes), "jacobian": least_jacobian(),
                               "seconds": seconds, "cpu": cpu}
    return out


print(json.dumps({"affine": affine, "prepare": prepare, "normalisation": normalisation}[sys.argv[1]](*sys.argv[2:])))
