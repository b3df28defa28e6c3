"""ITK transforms read from their files alone, applied to points."""
import h5py
import numpy as np
from scipy.ndimage import map_coordinates
from support import check

FLIP = np.array([-1.0, -1.0, 1.0])


def affine_of(parameters):
    """LPS parameters of ITK to a RAS matrix, centre 0."""
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = np.reshape(parameters[:9], (3, 3)), parameters[9:]
    return np.diag([*FLIP, 1]) @ lps @ np.diag([*FLIP, 1])


def text_maps(path):
    with open(path) as f:
        return [affine_of([float(x) for x in line.split()[1:]]) for line in f if line.startswith("Parameters:")]


def move(matrix, points):
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def through_h5(path, points):
    """RAS points through a composite: ITK applies the last transform of the file first."""
    with h5py.File(path) as f:
        group = f["TransformGroup"]
        check(group["0/TransformType"][0].startswith(b"CompositeTransform"), "the first entry must be the composite")
        for n in range(len(group) - 1, 0, -1):
            kind = group[f"{n}/TransformType"][0]
            fixed, values = group[f"{n}/TransformFixedParameters"][()], group[f"{n}/TransformParameters"]
            if kind.startswith(b"AffineTransform"):
                check(not fixed.any(), "the centre of an affine must be 0")
                points = move(affine_of(values[()]), points)
                continue
            check(kind == b"DisplacementFieldTransform_float_3_3" and values.dtype == np.float32, f"found {kind}")
            check(values.chunks is not None and values.compression == "gzip", "fields must be compressed in chunks")
            size = fixed[:3].astype(int)
            lps = np.eye(4)
            lps[:3, :3], lps[:3, 3] = fixed[9:].reshape(3, 3) * fixed[6:9], fixed[3:6]
            at = move(np.linalg.inv(lps), points * FLIP).T
            field = values[()].reshape(*size[::-1], 3)
            step = [map_coordinates(field[..., c].T, at, order=1, mode="nearest") for c in range(3)]
            points = points + np.array(step).T * FLIP
    return points
