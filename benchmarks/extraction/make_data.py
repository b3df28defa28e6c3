"""A BOLD series and a label atlas of realistic statistics, from a seed: make_data.py DIR

91 x 109 x 91 x 200 int16, 2 mm, TR 2 s: an ellipsoid brain with smooth anatomy, smooth slow
fluctuation, thermal noise and zeros outside. 116 parcels: nearest of random seeds within the brain.
"""

import sys
from pathlib import Path

import nibabel
import numpy
from scipy import ndimage
from scipy.spatial import cKDTree

SHAPE, VOLUMES, PARCELS = (91, 109, 91), 200, 116


def smooth(generator, sigma):
    field = ndimage.gaussian_filter(generator.standard_normal(SHAPE, dtype="f4"), sigma)
    return field / field.std()


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    generator = numpy.random.default_rng(1)
    affine = numpy.diag([-2.0, 2, 2, 1])
    affine[:3, 3] = 90, -126, -72
    axes = [(numpy.arange(n) - (n - 1) / 2) / (0.42 * n) for n in SHAPE]
    radius = sum(a**2 for a in numpy.meshgrid(*axes, indexing="ij"))
    brain = radius < 1
    anatomy = (9000 + 1200 * smooth(generator, 3) + 500 * smooth(generator, 1)) * brain
    modes = [smooth(generator, 4) for _ in range(6)]
    series = numpy.zeros(SHAPE + (VOLUMES,), "i2", order="F")
    for t in range(VOLUMES):
        slow = sum(numpy.sin(0.02 * (k + 1) * t + k) * m for k, m in enumerate(modes))
        noise = 90 * generator.standard_normal(SHAPE, dtype="f4")
        series[..., t] = numpy.rint(numpy.clip(anatomy + brain * (60 * slow + noise), 0, 32767))
    image = nibabel.Nifti1Image(series, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = 2.0
    nibabel.save(image, folder / "bold.nii")

    voxels = numpy.argwhere(brain)
    seeds = voxels[generator.choice(len(voxels), PARCELS, replace=False)]
    labels = numpy.zeros(SHAPE, "i2")
    labels[brain] = 1 + cKDTree(seeds).query(voxels)[1]
    labels[radius > 0.9] = 0
    nibabel.save(nibabel.Nifti1Image(labels, affine), folder / "atlas.nii.gz")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
