"""Other statistics of regions by nilearn and numpy: make_statistics.py DIR

The series, labels and mask of make_reference.py, then from the same generator three maps of the same grid,
((x >> 16) % 64 - 40) / 8 where positive, else 0.
median.tsv: NiftiLabelsMasker(strategy="median") within the mask.
maps.tsv: NiftiMapsMasker (least squares of all maps) within the mask. weighted.tsv: sum(w x) / sum(w) within the mask.
spheres.tsv: NiftiSpheresMasker, radius 4.5 mm, allow_overlap, within the mask, about SEEDS.
eigenvariate.tsv: numpy.linalg.svd of each label's voxels in the mask without their means over time: u1 s1 / sqrt(n), with
the sign that makes the sum of v1 positive, which is what SPM's spm_regions scales to.
nilearn 0.14.1, numpy 2.4.6. `python make_statistics.py .`
"""

import sys
from pathlib import Path

import nibabel
import numpy
from make_reference import SHAPE, VOLUMES, numbers
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiSpheresMasker

SEEDS = [(6.0, 6.0, 6.0), (9.0, 6.0, 6.0), (0.4, 14.2, 11.1), (17.0, 1.0, 1.0)]


def main(folder):
    n = int(numpy.prod(SHAPE))
    labels = numbers(n) % 10
    labels[labels == 4] = 0
    mask = numbers(n) % 4 > 0
    series = (numbers(n * VOLUMES) % 4096) / 8
    maps = numpy.maximum(numbers(n * 3) % 64 - 40, 0) / 8
    affine = numpy.diag([3.0, 3, 3, 1])

    def image(values, dtype, shape=SHAPE):
        return nibabel.Nifti1Image(values.reshape(shape, order="F").astype(dtype), affine)

    def write(name, columns, values):
        assert values.shape == (VOLUMES, len(columns))
        lines = ["\t".join(columns)] + ["\t".join(repr(float(x)) for x in row) for row in values]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")

    bold, inside = image(series, "f8", SHAPE + (VOLUMES,)), image(mask, "u1")
    values = [int(v) for v in sorted(set(labels)) if v != 0]
    names = [f"label-{v}" for v in values]
    masker = NiftiLabelsMasker(image(labels, "i4"), mask_img=inside, strategy="median", standardize=None)
    write("median", names, masker.fit_transform(bold))

    masker = NiftiMapsMasker(image(maps, "f8", SHAPE + (3,)), mask_img=inside, standardize=None)
    write("maps", ["a", "b", "c"], masker.fit_transform(bold))
    x, w = series.reshape(VOLUMES, n), maps.reshape(3, n)
    write("weighted", ["a", "b", "c"], (x[:, mask] @ w[:, mask].T) / w[:, mask].sum(1))

    masker = NiftiSpheresMasker(SEEDS, radius=4.5, mask_img=inside, allow_overlap=True, standardize=None)
    write("spheres", [f"sphere-{i + 1}" for i in range(len(SEEDS))], masker.fit_transform(bold))

    columns = []
    for value in values:
        y = x[:, (labels == value) & mask]
        u, s, vt = numpy.linalg.svd(y - y.mean(0), full_matrices=False)
        columns.append(u[:, 0] * s[0] / numpy.sqrt(y.shape[1]) * numpy.sign(vt[0].sum()))
    write("eigenvariate", names, numpy.stack(columns, 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
