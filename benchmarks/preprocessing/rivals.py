"""Normalisation beside ANTs: the same images, in the same run.

  rivals.py T1W_CORRECTED MASK TEMPLATE OUR_XFM.h5 OUR_SECONDS FOLDER

Both tools see the masked T1w and the template at 2 mm. Tissue classes come from one independent segmenter (Atropos,
three classes by K-means start) on each of the two images; the classes of the T1w are carried to the template by both
tools' transforms and compared with the template's own: Dice per class and its mean.
"""
import sys
import time

import ants
import nibabel as nib
import numpy as np


def read_by_sform(path):
    """ITK takes the qform, and that of the default template has no origin."""
    affine = nib.load(path).affine
    if np.count_nonzero(affine[:3, :3] - np.diag(np.diag(affine)[:3])):
        return ants.image_read(path)
    signs = np.sign(np.diag(affine)[:3])
    return ants.from_numpy(ants.image_read(path).numpy(), origin=(affine[:3, 3] * [-1, -1, 1]).tolist(),
                           spacing=np.abs(np.diag(affine)[:3]).tolist(), direction=np.diag(signs * [-1, -1, 1]))


def classes(image, mask):
    ceiling = np.quantile(image.numpy()[mask.numpy() > 0], 0.995)  # else one class is vessels and fat alone
    image = image.new_image_like(np.minimum(image.numpy(), ceiling))
    found = ants.atropos(a=image, x=mask, i="kmeans[3]", m="[0.2,1x1x1]", c="[5,0]")
    return found["segmentation"]


def dice(a, b):
    a, b = a.numpy(), b.numpy()
    return [2.0 * np.sum((a == k) & (b == k)) / (np.sum(a == k) + np.sum(b == k)) for k in (1, 2, 3)]


def main():
    t1w_path, mask_path, template_path, ours, seconds, folder = sys.argv[1:]
    t1w, mask = ants.image_read(t1w_path), ants.image_read(mask_path)
    template = read_by_sform(template_path)
    t1w = t1w * mask
    fixed = ants.resample_image(template, (2, 2, 2), False, 0)
    moving = ants.resample_image(t1w, (2, 2, 2), False, 0)
    moving_mask = ants.threshold_image(moving, 1e-3, None)
    fixed_mask = ants.threshold_image(fixed, 1e-3, None)
    begun = time.monotonic()
    found = ants.registration(fixed, moving, "SyNCC", random_seed=1)
    ants_s = time.monotonic() - begun
    theirs = found["fwdtransforms"]
    fixed_classes = classes(fixed, fixed_mask)
    moving_classes = classes(moving, moving_mask)
    rows = []
    for name, transforms in (("ANTs SyNCC", theirs), ("boldmill", [ours])):
        carried = ants.apply_transforms(fixed, moving_classes, transforms, interpolator="genericLabel")
        warped = ants.apply_transforms(fixed, moving, transforms)
        inside = fixed_mask.numpy() > 0
        r = np.corrcoef(warped.numpy()[inside], fixed.numpy()[inside])[0, 1]
        rows.append((name, dice(carried, fixed_classes), r))
    jacobian = ants.create_jacobian_determinant_image(fixed, theirs[0]).numpy()
    print("normalisation at 2 mm | Dice of three Atropos classes (mean) | r with the template | s")
    for (name, d, r), s in zip(rows, (ants_s, float(seconds))):
        print(f"{name} | {d[0]:.3f} {d[1]:.3f} {d[2]:.3f} ({np.mean(d):.3f}) | {r:.4f} | {s:.1f}")
    print(f"difference of mean Dice (ours - theirs) {np.mean(rows[1][1]) - np.mean(rows[0][1]):+.4f}, target >= -0.005; "
          f"{ants_s / float(seconds):.1f} times faster, target >= 8; ANTs' smallest Jacobian {jacobian.min():.2f}")


main()
