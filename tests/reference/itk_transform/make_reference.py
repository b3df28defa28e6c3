"""Transforms written by ITK and where ITK maps points with them. Command: python make_reference.py OUT
Tool: antspyx 0.6.3 (ITK 5.4), numpy. The points are in RAS mm; the files are as ITK writes them."""
import sys

import ants
import numpy as np

out = sys.argv[1]
rng = np.random.default_rng(3)
LPS = np.diag([-1.0, -1.0, 1.0])


def rotation(x, y, z):
    c, s = np.cos, np.sin
    rx = np.array([[1, 0, 0], [0, c(x), -s(x)], [0, s(x), c(x)]])
    ry = np.array([[c(y), 0, s(y)], [0, 1, 0], [-s(y), 0, c(y)]])
    rz = np.array([[c(z), -s(z), 0], [s(z), c(z), 0], [0, 0, 1]])
    return rz @ ry @ rx


matrix = rotation(0.2, -0.3, 0.5) @ np.diag([1.1, 0.9, 1.05]) + 0.02 * rng.standard_normal((3, 3))
affine = ants.create_ants_transform(transform_type="AffineTransform", dimension=3, matrix=matrix,
                                    center=[12.0, -7.0, 30.0], translation=[4.0, -3.0, 2.5])
euler = ants.create_ants_transform(transform_type="Euler3DTransform", dimension=3,
                                   parameters=[0.3, -0.2, 0.4, 5.0, 6.0, -7.0], fixed_parameters=[3.0, 2.0, 1.0, 0.0])
# An oblique, left-handed grid with three voxel sizes.
direction = rotation(0.3, 0.1, -0.2) @ np.diag([1.0, 1.0, -1.0])
shape = (6, 7, 5)
field = ants.from_numpy(rng.uniform(-3, 3, (*shape, 3)).astype(np.float32), origin=[-20.0, -15.0, 25.0],
                        spacing=[4.0, 5.0, 6.0], direction=direction, has_components=True)
warp = ants.transform_from_displacement_field(field)
composite = ants.compose_ants_transforms([warp, affine])  # the warp is applied first, as in a normalisation
files = {"affine.txt": affine, "euler.txt": euler, "composite.h5": composite}
for name, transform in files.items():
    ants.write_transform(transform, f"{out}/{name}")
ants.image_write(field, f"{out}/warp.nii.gz")
files["warp.nii.gz"] = warp

# Points within the lattice of the field.
index = rng.uniform(0, 1, (12, 3)) * (np.array(shape) - 1)
points = (direction @ (index * [4.0, 5.0, 6.0]).T).T + [-20.0, -15.0, 25.0]
with open(f"{out}/points.tsv", "w") as f:
    f.write("file\tx\ty\tz\tmapped_x\tmapped_y\tmapped_z\n")
    for name, transform in files.items():
        for lps in points:
            mapped = LPS @ np.array(ants.apply_ants_transform_to_point(transform, list(lps)))
            f.write("\t".join([name] + [f"{v:.9g}" for v in [*(LPS @ lps), *mapped]]) + "\n")
