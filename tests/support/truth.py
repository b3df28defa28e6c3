"""Compares what boldmill estimated on a simulated cohort with the truth written beside it."""
import csv
import json
import os
import subprocess

import h5py
import numpy as np


def table(path):
    with open(path) as f:
        return list(csv.DictReader(f, delimiter="\t"))


def strings(dataset):
    return [v.decode() if isinstance(v, bytes) else v for v in dataset[()]]


def rms_displacement(a, b, center, radius=80.0):
    """Root mean square over a solid sphere of the distance between two affine maps (Jenkinson 1999)."""
    d = a - b
    m, t = d[:3, :3], d[:3, 3] + d[:3, :3] @ center
    return np.sqrt(t @ t + np.trace(m.T @ m) * radius**2 / 5.0)


def rigid_mean(maps):
    """The rigid map nearest to the mean of nearly equal rigid maps."""
    mean = np.mean(maps, axis=0)
    u, _, v = np.linalg.svd(mean[:3, :3])
    mean[:3, :3] = u @ v
    return mean


def motion_errors(program, bids, person, scratch):
    """Error of every volume in mm. Estimated maps R_t and true maps M_t agree up to one constant pose C: R_t = M_t C."""
    out = os.path.join(scratch, "transforms.tsv")
    subprocess.run([program, "stage", "head_motion", f"{bids}/{person}/func/{person}_task-rest_bold.nii.gz",
                    "--motion", os.path.join(scratch, "motion.tsv"), "--transforms", out], check=True,
                   capture_output=True)
    estimated = np.loadtxt(out, skiprows=1).reshape(-1, 4, 4)
    true = maps_of(f"{bids}/sourcedata/truth/{person}/{person}_task-rest_motion.tsv")
    constant = rigid_mean([np.linalg.inv(m) @ r for m, r in zip(true, estimated)])
    center = np.zeros(3)
    return np.array([rms_displacement(r, m @ constant, center) for m, r in zip(true, estimated)])


def edge_recovery(bids, cohort):
    """Measured and true Fisher z of the task-free edges, people x edges, and the people's groups."""
    with h5py.File(cohort) as f:
        people = strings(f["participants/participant_id"])
        group = strings(f["participants/group"])
        code = strings(f["measure"])
        measures = f["circuits/measures"][()]
        scores = dict(zip(strings(f["score"]), f["circuits/scores"][()].T))
    rows = table(f"{bids}/sourcedata/truth/edges.tsv")
    edges = [e for e in dict.fromkeys(r["edge"] for r in rows) if e in code]
    true = np.full((len(people), len(edges)), np.nan)
    for r in rows:
        if r["participant_id"] in people and r["edge"] in edges:
            true[people.index(r["participant_id"]), edges.index(r["edge"])] = float(r["realised_z"])
    return people, np.array(group), edges, measures[:, [code.index(e) for e in edges]], true, scores


CIRCUITS = {"DMN-C": ["D2D1", "D1D3", "D1D4", "D2D4", "D3D4"], "SAL-C": ["S1S3", "S2S4", "S1S2"],
            "ATT-C": ["A2A1", "A3A1", "A4A2", "A5A3", "A4A6", "A5A7"]}


def cohen_d(values, group):
    a, b = values[group == "patient"], values[group == "control"]
    pooled = np.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(a) + len(b) - 2))
    return (a.mean() - b.mean()) / pooled


def true_score(true, edges, group, score):
    """The score of the realised, noise-free correlations: mean over edges of z against the true controls."""
    columns = [edges.index(e) for e in CIRCUITS[score]]
    control = true[group == "control"][:, columns]
    return ((true[:, columns] - control.mean(0)) / control.std(0, ddof=1)).mean(1)


def maps_of(path):
    rows = table(path)
    maps = np.tile(np.eye(4), (len(rows), 1, 1))
    for t, row in enumerate(rows):
        maps[t, :3] = [[float(row[f"m{i}{j}"]) for j in range(4)] for i in range(3)]
    return maps


def distortion_residuals(program, bids, person, scratch):
    """True shift of the brain's voxels in the first image of the opposite-phase pair, and what is left of it after the field
    of `stage fieldmap_pepolar`, both in voxels."""
    import nibabel as nib
    from scipy.ndimage import map_coordinates
    images = [f"{bids}/{person}/fmap/{person}_dir-{d}_epi" for d in ("AP", "PA")]
    sidecars = []
    for image in images:
        with open(image + ".json") as f:
            sidecars.append(json.load(f))
    readout = [s["TotalReadoutTime"] for s in sidecars]
    field = os.path.join(scratch, "field.nii.gz")
    subprocess.run([program, "stage", "fieldmap_pepolar", *(i + ".nii.gz" for i in images), "--direction",
                    *(s["PhaseEncodingDirection"] for s in sidecars), "--readout", *map(str, readout), "--field", field],
                   check=True, capture_output=True)
    folder = f"{bids}/sourcedata/truth/{person}/{person}"
    ours, true, labels = (nib.load(p) for p in (field, folder + "_fieldmap.nii.gz", folder + "_space-T1w_dseg.nii.gz"))
    with open(folder + "_fmap_motion.json") as f:
        to_reference = np.array(json.load(f)["t1w_to_reference"])
    pose = maps_of(folder + "_fmap_motion.tsv")[0]

    def at(image, to_world, order):
        voxel = np.linalg.inv(image.affine) @ to_world @ ours.affine
        places = np.indices(ours.shape).reshape(3, -1)
        return map_coordinates(np.asarray(image.dataobj, float), voxel[:3, :3] @ places + voxel[:3, 3:], order=order,
                               mode="nearest")

    reference = np.linalg.inv(pose)  # of the first image's places
    brain = at(labels, np.linalg.inv(to_reference) @ reference, 0) > 0
    shift = at(true, reference, 1)[brain] * readout[0]
    return shift, np.asarray(ours.dataobj, float).ravel()[brain] * readout[0] - shift
