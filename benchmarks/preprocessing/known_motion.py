"""Known motion applied to real volumes: how well is it found?

  known_motion.py PROGRAM BOLD.nii.gz [--volumes 40] [--ants 12]

Volume t is read at M_t x by a quintic spline (scipy). With A_t the estimate for the volume and B_t for the moved
one, M_t B_t = A_t; the error is their RMS displacement over an 80 mm sphere (Jenkinson 1999). --ants N does the
same with antspyx `BOLDRigid` on the first N volumes.
"""
import argparse
import os
import subprocess
import tempfile

import nibabel as nib
import numpy as np
from scipy import ndimage

RADIUS = 80.0


def rigid(rng, center):
    """About 1 mm and 1 degree about `center`."""
    angles = np.deg2rad(rng.normal(0.0, 1.0, 3) / np.sqrt(3))
    c, s = np.cos(angles), np.sin(angles)
    rx = np.array([[1, 0, 0], [0, c[0], -s[0]], [0, s[0], c[0]]])
    ry = np.array([[c[1], 0, s[1]], [0, 1, 0], [-s[1], 0, c[1]]])
    rz = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    m = np.eye(4)
    m[:3, :3] = rx @ ry @ rz
    m[:3, 3] = center - m[:3, :3] @ center + rng.normal(0.0, 1.0, 3) / np.sqrt(3)
    return m


def displacement(a, b, center):
    d = a - b
    t = d[:3, 3] + d[:3, :3] @ center
    return np.sqrt(t @ t + np.trace(d[:3, :3].T @ d[:3, :3]) * RADIUS**2 / 5.0)


def estimates(program, path, reference, folder):
    out = os.path.join(folder, "transforms.tsv")
    subprocess.run([program, "stage", "head_motion", path, "--reference", reference, "--motion",
                    os.path.join(folder, "motion.tsv"), "--transforms", out], check=True, capture_output=True)
    return np.loadtxt(out, skiprows=1).reshape(-1, 4, 4)


def ants_estimates(path, reference, n):
    import ants
    fixed = ants.image_read(reference)
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    maps = []
    for t in range(n):
        moving = ants.slice_image(ants.image_read(path), axis=3, idx=t)
        found = ants.registration(fixed, moving, "BOLDRigid", random_seed=1)
        transform = ants.read_transform(found["fwdtransforms"][0])
        matrix = np.array(transform.parameters[:9]).reshape(3, 3)
        center = np.array(transform.fixed_parameters)
        m = np.eye(4)
        m[:3, :3] = matrix
        m[:3, 3] = np.array(transform.parameters[9:]) + center - matrix @ center
        maps.append(flip @ m @ flip)
    return np.array(maps)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("bold")
    parser.add_argument("--volumes", type=int, default=40)
    parser.add_argument("--ants", type=int, default=0)
    options = parser.parse_args()
    image = nib.load(options.bold)
    first = 10  # past the approach to steady state
    series = np.asarray(image.dataobj[..., first:first + options.volumes], dtype=np.float32)
    affine = image.affine
    center = (affine @ np.append((np.array(series.shape[:3]) - 1) / 2, 1))[:3]
    rng = np.random.default_rng(3)
    moves = [rigid(rng, center) for _ in range(series.shape[3])]
    moved = np.empty_like(series)
    for t, m in enumerate(moves):
        to_voxel = np.linalg.inv(affine) @ m @ affine
        moved[..., t] = ndimage.affine_transform(series[..., t], to_voxel[:3, :3], to_voxel[:3, 3], order=5,
                                                 mode="nearest")
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("still.nii", "moved.nii", "reference.nii")]
        for path, data in zip(paths, (series, moved, series[..., 0])):
            nib.save(nib.Nifti1Image(data, affine), path)
        still, other = [estimates(options.program, path, paths[2], folder) for path in paths[:2]]
        errors = np.array([displacement(m @ b, a, center) for m, a, b in zip(moves, still, other)])
        print(f"boldmill: {len(errors)} volumes, median {np.median(errors):.4f} mm, "
              f"95th percentile {np.quantile(errors, .95):.4f} mm, largest {errors.max():.4f} mm")
        if options.ants:
            n = min(options.ants, len(moves))
            still, other = [ants_estimates(path, paths[2], n) for path in paths[:2]]
            errors = np.array([displacement(m @ b, a, center) for m, a, b in zip(moves, still, other)])
            print(f"antspyx BOLDRigid: {n} volumes, median {np.median(errors):.4f} mm, "
                  f"95th percentile {np.quantile(errors, .95):.4f} mm")


if __name__ == "__main__":
    main()
