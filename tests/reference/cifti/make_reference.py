"""Small CIFTI-2 files and what nibabel and numpy find in them: make_reference.py DIR

series.dtseries.nii: 12 points of 1.5 s; cortex left (30 of 42 vertices: 12 of the medial wall are left out), cortex right
(all 42) and 24 voxels of the left thalamus in a left-handed volume. One vertex is 0 throughout, one voxel is NaN in one volume.
atlas.dlabel.nii: two maps; all 42 vertices of either side (in another order of structures), medial wall 0, the thalamus in
another order of voxels and an accumbens that the series lacks. Label 7 spans both hemispheres, label 9 has no grayordinate.
parcels.ptseries.nii: 5 parcels, float64. int16.dtseries.nii: 100 times the series as int16, NaN as 0. scalars.dscalar.nii: another kind.
means.tsv: nanmean per label of the first map over the grayordinates of the series with the same structure and vertex or
voxel that are not 0 throughout, matched one by one; coverage.tsv: their share of all grayordinates of the label.
nibabel 5.4.2, numpy 2.4.6.
"""

import sys
from pathlib import Path

import nibabel
import numpy
from nibabel.cifti2 import BrainModelAxis, LabelAxis, ParcelsAxis, ScalarAxis, SeriesAxis

N, T = 42, 12
SHAPE = (9, 8, 7)
AFFINE = numpy.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])


def main(folder):
    rng = numpy.random.default_rng(4)
    thalamus = numpy.array([(i, j, k) for i in range(2, 5) for j in range(1, 5) for k in (3, 4)])
    accumbens = numpy.array([(7, 6, 1), (7, 6, 2)])

    def voxels(ijk, name):
        return BrainModelAxis(name, voxel=ijk, affine=AFFINE, volume_shape=SHAPE)

    def vertices(which, name):
        return BrainModelAxis.from_surface(which, N, name)

    left = numpy.concatenate([numpy.arange(0, 10), numpy.arange(22, N)])
    dense = (vertices(left, "cortex_left") + vertices(numpy.arange(N), "cortex_right")
             + voxels(thalamus, "thalamus_left"))
    series = rng.normal(100, 5, (T, len(dense)))
    series[:, 4] = 0
    series[3, 75] = numpy.nan

    def save(name, data, axes, dtype="f4"):
        image = nibabel.Cifti2Image(data.astype(dtype), axes)
        image.nifti_header.set_data_dtype(dtype)
        image.to_filename(folder / name)

    time = SeriesAxis(0, 1.5, T)
    save("series.dtseries.nii", series, (time, dense))

    atlas = (vertices(numpy.arange(N), "cortex_right") + vertices(numpy.arange(N), "cortex_left")
             + voxels(thalamus[::-1], "thalamus_left") + voxels(accumbens, "accumbens_left"))
    keys = numpy.zeros((2, len(atlas)))
    keys[0, :15], keys[0, 15:N] = 2, 7
    keys[0, N:N + 8], keys[0, N + 8:N + 14], keys[0, N + 14:N + 22] = 1, 5, 0
    keys[0, N + 22:2 * N] = 7
    keys[0, 2 * N:2 * N + 14], keys[0, 2 * N + 14:2 * N + 24] = 3, 4
    keys[0, 2 * N + 24:] = 6
    keys[1] = 1
    names = {1: "A left", 2: "B right", 3: "Th a", 4: "Th b", 5: "mostly wall", 6: "NAc", 7: "both", 9: "nowhere"}
    table = {0: ("???", (1, 1, 1, 0))} | {k: (v, (0.5, 0.1, 0.2, 1)) for k, v in names.items()}
    save("atlas.dlabel.nii", keys, (LabelAxis(["first", "second"], [table, {1: ("all", (1, 0, 0, 1))}]), atlas), "i4")

    place = {}
    for g, (_, where, structure) in enumerate(dense):
        place[structure, tuple(numpy.atleast_1d(where))] = g
    columns, coverage = [], []
    for key in names:
        members = [(s, tuple(numpy.atleast_1d(w))) for k, (_, w, s) in zip(keys[0], atlas) if k == key]
        found = [place[m] for m in members if m in place and series[:, place[m]].any()]
        coverage.append(len(found) / len(members) if members else numpy.nan)
        if members and coverage[-1] >= 0.5:
            columns.append(numpy.nanmean(series[:, found].astype("f4").astype("f8"), 1))
        else:
            columns.append(numpy.full(T, numpy.nan))

    def write(name, rows):
        lines = ["\t".join(names.values())]
        lines += ["\t".join("n/a" if numpy.isnan(x) else repr(float(x)) for x in row) for row in rows]
        (folder / name).write_text("\n".join(lines) + "\n")

    write("means.tsv", numpy.stack(columns, 1))
    write("coverage.tsv", [coverage])

    parcels = ParcelsAxis.from_brain_models([(f"P{i}", vertices(numpy.arange(8 * i, 8 * i + 8), "cortex_left"))
                                             for i in range(5)])
    save("parcels.ptseries.nii", numpy.arange(T * 5).reshape(T, 5) + 0.25, (time, parcels), "f8")
    save("scalars.dscalar.nii", series[:1], (ScalarAxis(["s"]), dense))
    save("int16.dtseries.nii", numpy.round(100 * numpy.nan_to_num(series)), (time, dense), "i2")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
