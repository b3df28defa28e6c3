"""Parcel means by nilearn on numbers that any language can make: make_reference.py DIR

Series of 7 x 6 x 5 voxels and 8 volumes, labels 0 to 9 without 4, and a mask, all from the generator
x <- (1103515245 x + 12345) mod 2^31, x = 1: first the labels (x >> 16) % 10 (4 becomes 0), then the mask
((x >> 16) % 4 > 0), then the series ((x >> 16) % 4096) / 8, first axis fastest, volume after volume.
nilearn_all.tsv: NiftiLabelsMasker(strategy="mean") without a mask; nilearn_masked.tsv: with it.
nilearn 0.14.1, numpy 2.4.6.
"""

import sys
from pathlib import Path

import nibabel
import numpy
from nilearn.maskers import NiftiLabelsMasker

SHAPE, VOLUMES = (7, 6, 5), 8


def numbers(n, x=[1]):
    out = []
    for _ in range(n):
        x[0] = (1103515245 * x[0] + 12345) % 2**31
        out.append(x[0] >> 16)
    return numpy.array(out)


def main(folder):
    n = int(numpy.prod(SHAPE))
    labels = numbers(n) % 10
    labels[labels == 4] = 0
    mask = numbers(n) % 4 > 0
    series = (numbers(n * VOLUMES) % 4096) / 8
    affine = numpy.diag([3.0, 3, 3, 1])

    def image(values, dtype, shape=SHAPE):
        return nibabel.Nifti1Image(values.reshape(shape, order="F").astype(dtype), affine)

    bold = image(series, "f4", SHAPE + (VOLUMES,))
    for name, mask_img in (("all", None), ("masked", image(mask, "u1"))):
        masker = NiftiLabelsMasker(image(labels, "i4"), mask_img=mask_img, strategy="mean", standardize=None)
        means = masker.fit_transform(bold)
        values = [int(v) for v in sorted(set(labels)) if v != 0]
        assert means.shape == (VOLUMES, len(values))
        lines = ["\t".join(f"label-{v}" for v in values)]
        lines += ["\t".join(repr(float(x)) for x in row) for row in means]
        (folder / f"nilearn_{name}.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
