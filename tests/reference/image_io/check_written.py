"""nibabel opens what image_io wrote: check_written.py DIR. The expectations are those of write_test.cpp."""

import sys
from pathlib import Path

import nibabel
import numpy

folder = Path(sys.argv[1])
affine = numpy.array([[-2.9, 0.3, 0.4, 80.5], [0.35, 2.8, -0.6, -101.25], [0.25, 0.7, 3.1, -60], [0, 0, 0, 1]])
rigid = numpy.array([[0, 0, 3.0, -10], [-2.0, 0, 0, 20], [0, 2.5, 0, -30], [0, 0, 0, 1]])
ramp = numpy.arange(5 * 4 * 3 * 6, dtype="f8").reshape((5, 4, 3, 6), order="F") * 0.5 - 20

for name in ("series.nii", "series.nii.gz"):
    image = nibabel.load(folder / name)
    assert image.shape == (5, 4, 3, 6), image.shape
    assert image.get_data_dtype() == numpy.float32
    assert numpy.array_equal(image.get_fdata(), ramp)
    assert numpy.allclose(image.affine, affine, atol=1e-5)
    assert abs(image.header.get_zooms()[3] - 0.8) < 1e-6
    assert image.header.get_xyzt_units() == ("mm", "sec")

image = nibabel.load(folder / "scaled.nii.gz")
assert image.get_data_dtype() == numpy.int16
assert numpy.abs(image.get_fdata() - ramp).max() <= 0.51 * (ramp.max() - ramp.min()) / 65535 + 1e-5

image = nibabel.load(folder / "rigid.nii.gz")
assert image.shape == (5, 4, 3)
assert numpy.allclose(image.get_sform(), rigid) and numpy.allclose(image.get_qform(), rigid, atol=1e-4)
assert int(image.header["sform_code"]) == 4 and int(image.header["qform_code"]) == 4
assert image.header["descrip"].item() == b"a rigid grid"

labels = nibabel.load(folder / "labels.nii.gz")
assert labels.get_data_dtype() == numpy.int32 and int(labels.dataobj[1, 0, 0]) == 70000
wide = nibabel.load(folder / "wide.nii")
assert isinstance(wide, nibabel.Nifti2Image) and wide.shape == (40000, 1, 1)
assert numpy.allclose(wide.affine, affine, atol=1e-12)
print("ok")
