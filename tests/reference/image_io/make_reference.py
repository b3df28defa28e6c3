"""Tiny NIfTI files of every kind and what nibabel reads from them.

    python make_reference.py DIR [SHARED_DATA]      (nibabel 5.4.2, numpy 2.4.6, seed 7)

files/*.nii[.gz]; expected.tsv: one row a file with affine and repetition time; values.tsv: one row a
file with the scaled values, first axis fastest. shared.tsv: numbers of the real images in the shared
test data (read from there, not copied).
"""

import gzip
import sys
from pathlib import Path

import nibabel
import numpy

SHAPE = (3, 2, 2, 2)
OBLIQUE = numpy.array(
    [[-2.9, 0.3, 0.4, 80.5], [0.35, 2.8, -0.6, -101.25], [0.25, 0.7, 3.1, -60.0], [0, 0, 0, 1]]
)


def rotation(b, c, d):
    return nibabel.quaternions.quat2mat([numpy.sqrt(1 - b * b - c * c - d * d), b, c, d])


def stored_values(generator, dtype):
    dtype = numpy.dtype(dtype)
    if dtype.kind == "f":
        return generator.normal(0, 100, SHAPE).astype(dtype)
    info = numpy.iinfo(dtype)
    values = generator.integers(info.min, info.max, SHAPE, dtype=dtype, endpoint=True)
    values.flat[:2] = info.min, info.max
    return values


def save(path, values, affine, version=1, endian="<", slope=None, change=None):
    kind = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    header = kind(endianness=endian)
    header.set_data_dtype(values.dtype.newbyteorder(endian))
    header.set_data_shape(values.shape)
    header.set_xyzt_units("mm", "sec")
    header["pixdim"][4] = 2.5
    header.set_sform(affine, 1)
    header.set_qform(affine, 1, strip_shears=True)
    if change:
        change(header)
    header["vox_offset"] = 352 if version == 1 else 544
    header["magic"] = b"n+1" if version == 1 else b"n+2\0\r\n\x1a\n"
    if slope:
        header["scl_slope"], header["scl_inter"] = slope
    data = header.binaryblock + bytes(4)
    data += values.astype(values.dtype.newbyteorder(endian)).tobytes(order="F")
    if path.suffix == ".gz":
        half = len(data) // 2  # two members, as parallel compressors write
        data = gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)
    path.write_bytes(data)


def only_qform(header):
    affine = numpy.eye(4)
    affine[:3, :3] = rotation(0.1, -0.2, 0.3) @ numpy.diag([2, 2.5, -3.0])
    affine[:3, 3] = 11, -22, 33
    header.set_qform(affine, 2)
    header.set_sform(numpy.diag([9, 9, 9, 1]), 0)


def neither(header):
    header["qform_code"] = header["sform_code"] = 0
    header["pixdim"][1:4] = 2, 3, 4


def milliseconds(header):
    header.set_xyzt_units("mm", "msec")
    header["pixdim"][4] = 720


def microseconds(header):
    header.set_xyzt_units("mm", "usec")
    header["pixdim"][4] = 1350000


def main(folder, shared):
    files = folder / "files"
    files.mkdir(parents=True, exist_ok=True)
    generator = numpy.random.default_rng(7)
    types = "u1 i1 i2 u2 i4 u4 i8 u8 f4 f8".split()
    right = OBLIQUE * numpy.array([[-1], [1], [1], [1]])  # left-handed against right-handed
    for code in types:
        for endian, name in (("<", "little"), (">", "big")):
            version = 1 if code in types[::2] or endian == ">" else 2
            slope = (0.0125, -7.5) if code in ("i2", "u1", "f4") and endian == ">" else None
            save(files / f"{code}_{name}.nii", stored_values(generator, code), OBLIQUE, version, endian, slope)
    i2 = stored_values(generator, "i2")
    save(files / "left_handed.nii", i2, right)
    save(files / "only_qform.nii", i2, OBLIQUE, change=only_qform)
    save(files / "only_qform_v2.nii", i2, OBLIQUE, version=2, endian=">", change=only_qform)
    save(files / "neither.nii", i2, OBLIQUE, change=neither)
    save(files / "milliseconds.nii", i2, OBLIQUE, change=milliseconds)
    save(files / "microseconds.nii", i2, OBLIQUE, change=microseconds)
    save(files / "two_members.nii.gz", i2, OBLIQUE, slope=(2.0, 10.0))

    rows, values = [], []
    for path in sorted(files.iterdir()):
        image = nibabel.load(path)
        unit = {"sec": 1, "msec": 1e-3, "usec": 1e-6}[image.header.get_xyzt_units()[1]]
        tr = image.header.get_zooms()[3].astype("f8") * unit
        rows.append([path.name, *(repr(float(x)) for x in image.affine[:3].ravel()), repr(float(tr))])
        data = numpy.asanyarray(image.dataobj).astype("f4").ravel(order="F")
        values.append([path.name, *(repr(float(x)) for x in data)])
    names = [f"a{r}{c}" for r in range(3) for c in range(4)]
    write(folder / "expected.tsv", ["file", *names, "tr_s"], rows)
    write(folder / "values.tsv", ["file", *(f"v{i}" for i in range(24))], values)
    if shared:
        real(folder, shared, names)


def real(folder, shared, names):
    rows = []
    for name in (
        "small/nibabel/example4d.nii.gz",
        "small/nibabel/functional.nii",
        "small/nibabel/anatomical.nii",
        "small/rt-cloud/faces_run-01_10vols_bold.nii.gz",
        "bids/studyforrest-sub02/sub-02/func/sub-02_task-objectcategories_run-1_bold.nii.gz",
        "bids/pyneal-demo/sub-ge01/func/sub-ge01_task-unknown_bold.nii.gz",
    ):
        if not (shared / name).exists():
            print("absent:", name)
            continue
        image = nibabel.load(shared / name)
        data = image.get_fdata().reshape(image.shape[:3] + (-1,))
        last = data[..., -1]
        middle = tuple(n // 2 for n in image.shape[:3])
        rows.append([name, *(repr(float(x)) for x in image.affine[:3].ravel()), str(data.shape[3]),
                     repr(float(data.mean())), repr(float(data.std())), repr(float(last[middle]))])
    write(folder / "shared.tsv", ["file", *names, "n_volumes", "mean", "sd", "middle_of_last"], rows)


def write(path, header, rows):
    path.write_text("\n".join("\t".join(map(str, row)) for row in [header, *rows]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
