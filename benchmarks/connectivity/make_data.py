"""A run as fMRIPrep leaves it, from a seed: make_data.py DIR SIZE

DIR/bold.nii.gz   float32 in MNI152NLin2009cAsym at 2 mm, values in the whole field of view (fMRIPrep does not mask), compressed
                  at level 1 as nibabel does
DIR/mask.nii.gz   the brain                   DIR/atlas.nii.gz   400 parcels of its outer shell (100 when tiny)
DIR/csf.nii.gz, wm.nii.gz                     DIR/confounds.tsv  36P, FD and the rest under fMRIPrep's names
SIZE: full 97 x 115 x 97 x 400 (TR 2 s), small 49 x 58 x 49 x 400 at 4 mm, tiny 25 x 29 x 25 x 400 at 8 mm.

Voxel = anatomy + networks + nuisance (motion, its squares, tissue) + spikes + thermal noise.
"""

import gzip
import sys
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

SIZES = {"full": ((97, 115, 97), 2.0, 400), "small": ((49, 58, 49), 4.0, 400), "tiny": ((25, 29, 25), 8.0, 100)}
VOLUMES, TR, NETWORKS = 400, 2.0, 12
MOTION = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
TISSUE = ["global_signal", "csf", "white_matter"]


def motion_traces(rng):
    walk = np.cumsum(rng.standard_normal((VOLUMES, 6)), axis=0) * 0.01
    for start in rng.choice(np.arange(5, VOLUMES - 5), 12, replace=False):  # jerks of some volumes
        walk[start:start + rng.integers(1, 4)] += 0.25 * rng.standard_normal(6)
    walk[:, 3:] /= 50.0
    return walk


def expanded(column):
    change = np.r_[np.nan, np.diff(column)]
    return {"": column, "_derivative1": change, "_power2": column**2, "_derivative1_power2": change**2}


def write_table(path, columns):
    rows = zip(*columns.values())
    text = ["\t".join(columns)] + ["\t".join("n/a" if np.isnan(x) else f"{x:.10g}" for x in row) for row in rows]
    path.write_text("\n".join(text) + "\n")


def main(folder, size):
    folder.mkdir(parents=True, exist_ok=True)
    shape, mm, parcels = SIZES[size]
    rng = np.random.default_rng(4)
    affine = np.diag([mm, mm, mm, 1.0])
    affine[:3, 3] = -96.5, -132.5, -78.5

    axes = [(np.arange(n) - (n - 1) / 2) / (0.373 * n) for n in shape]
    radius = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
    brain, head = radius < 1, radius < 1.25

    def field(sigma):
        f = ndimage.gaussian_filter(rng.standard_normal(shape, dtype="f4"), sigma / mm)
        return (f / f.std()).astype("f4")

    anatomy = np.where(brain, 9000 + 900 * field(6), np.where(head, 3000 + 900 * field(3), 60 + 8 * field(3))).astype("f4")
    motion = motion_traces(rng)
    slow = ndimage.gaussian_filter1d(rng.standard_normal((VOLUMES, NETWORKS)), 4, axis=0)
    slow /= slow.std(axis=0)
    tissue = np.cumsum(rng.standard_normal((VOLUMES, 3)), axis=0) * 0.3
    tissue -= tissue.mean(axis=0)
    nuisance = np.c_[motion / motion.std(axis=0), tissue / tissue.std(axis=0)]
    maps = np.stack([60 * field(10) * brain for _ in range(NETWORKS)] + [40 * field(14) * head for _ in range(9)])
    courses = np.c_[slow, nuisance].astype("f4")
    spikes = np.abs(np.diff(motion[:, 0], prepend=motion[0, 0])) > 0.1

    header = nibabel.Nifti1Image(np.zeros(shape, "f4"), affine).header.copy()
    header.set_data_shape(shape + (VOLUMES,))
    header.set_xyzt_units("mm", "sec")
    header["pixdim"][4] = TR
    header["sform_code"] = header["qform_code"] = 4
    header["vox_offset"], header["magic"] = 352, b"n+1"
    noise = np.where(brain, 90, np.where(head, 60, 20)).astype("f4")
    masks = {"mask": brain, "csf": radius < 0.25, "wm": (radius > 0.35) & (radius < 0.7)}
    means = {name: [] for name in masks}
    flat = maps.reshape(len(maps), -1).T
    part = folder / "bold.part"
    with gzip.open(part, "wb", compresslevel=1) as out:
        out.write(header.binaryblock + bytes(4))
        for t in range(VOLUMES):
            volume = anatomy + (flat @ courses[t]).reshape(shape) + noise * rng.standard_normal(shape, dtype="f4")
            if spikes[t]:
                volume += 600 * (rng.random(shape, dtype="f4") < 0.2) * head
            volume = volume.astype("f4")
            for name, mask in masks.items():
                means[name].append(volume[mask].mean(dtype="f8"))
            out.write(volume.tobytes(order="F"))

    def save(name, data):
        image = nibabel.Nifti1Image(data, affine)
        image.header["sform_code"] = image.header["qform_code"] = 4
        nibabel.save(image, folder / f"{name}.nii.gz")

    for name, mask in masks.items():
        save(name, mask.astype("u1"))
    shell = np.argwhere(brain & (radius > 0.75))
    seeds = shell[rng.choice(len(shell), parcels, replace=False)]
    labels = np.zeros(shape, "i2")
    labels[tuple(shell.T)] = 1 + cKDTree(seeds).query(shell)[1]
    save("atlas", labels)
    columns = {}
    for name, values in zip(TISSUE, (means["mask"], means["csf"], means["wm"])):
        columns.update({name + k: v for k, v in expanded(np.array(values)).items()})
    for name, values in zip(MOTION, motion.T):
        columns.update({name + k: v for k, v in expanded(values).items()})
    change = np.abs(np.diff(motion, axis=0))
    columns["framewise_displacement"] = np.r_[np.nan, change[:, :3].sum(1) + 50 * change[:, 3:].sum(1)]
    write_table(folder / "confounds.tsv", columns)
    part.rename(folder / "bold.nii.gz")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
