"""Motion columns and rmsd by fMRIPrep's formulas, written out in numpy and scipy.

Reference values for stages/functional/head_motion_test.cpp. Definitions: FSL's scaled-voxel frame
(x mirrored when det > 0), matrices volume -> reference, Euler angles 'XYZ' of the transposed
rotation, translation about the centre of mass times zooms; Jenkinson's rmsd.
Command: python3 motion_columns.py > motion_columns.txt
"""
import numpy as np
import scipy
from scipy.spatial.transform import Rotation

rng = np.random.default_rng(20240501)


def fsl_frame(shape, affine):
    zooms = np.sqrt((affine[:3, :3] ** 2).sum(0))
    swap = np.eye(4)
    if np.linalg.det(affine) > 0:
        swap[0, 0] = -1.0
        swap[0, 3] = (shape[0] - 1) * zooms[0]
    return swap @ np.diag(list(zooms) + [1.0]), zooms


def show(m):
    return "\n".join(" ".join(repr(float(x)) for x in row) for row in np.atleast_2d(m))


print(f"# numpy {np.__version__}, scipy {scipy.__version__}: python3 motion_columns.py")
print("cases 2")
oblique = Rotation.from_euler("xyz", [12, -7, 20], degrees=True).as_matrix()
for shape, linear in (((12, 14, 9), np.diag([-3.0, 3.0, 3.3])), ((10, 11, 12), oblique @ np.diag([2.0, 2.5, 3.0]))):
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = rng.normal(0, 40, 3)
    frame, zooms = fsl_frame(shape, affine)
    center_voxel = np.array([4.0, 6.0, 5.0])
    center = center_voxel * zooms
    maps = []
    for t in range(4):
        m = np.eye(4)
        m[:3, :3] = Rotation.from_rotvec(rng.normal(0, 0.05, 3)).as_matrix()
        m[:3, 3] = rng.normal(0, 2, 3)
        maps.append(m)
    to_fsl = frame @ np.linalg.inv(affine)
    fsl = np.array([np.linalg.inv(to_fsl @ m @ np.linalg.inv(to_fsl)) for m in maps])
    rot_t = fsl[:, :3, :3].transpose(0, 2, 1)
    angles = Rotation.from_matrix(rot_t).as_euler("XYZ")
    trans = fsl[:, :3, 3] - rot_t @ center + center
    diff = fsl[1:] @ np.linalg.inv(fsl[:-1]) - np.eye(4)
    M = diff[:, :3, :3]
    t = diff[:, :3, 3] + M @ ((np.array(shape) - 1) / 2 * zooms)
    rmsd = np.sqrt((t * t).sum(1) + np.trace(M.transpose(0, 2, 1) @ M, axis1=1, axis2=2) * 80.0**2 / 5)
    print(*shape)
    print(show(affine))
    print(*center_voxel)
    print(len(maps))
    for m in maps:
        print(show(m))
    print(show(np.hstack([trans, angles])))
    print(show(rmsd[None]))
