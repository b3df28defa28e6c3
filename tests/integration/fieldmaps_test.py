"""One simulated person with every kind of field map: each kind is found, used, said, and brings the BOLD reference nearer to the
one that the true field undistorts (scipy). The same run against the T1w alone, on request, and without any field."""
import csv
import glob
import json
import os
import shutil

import h5py
import nibabel as nb
import numpy as np
from scipy.ndimage import map_coordinates
from support import FAST, Scratch, check, run

ECHOES = (0.00492, 0.00738)
KINDS = {"sub-001": "opposite phase encoding", "sub-002": "phase difference", "sub-003": "two phase images",
         "sub-004": "direct field map", "sub-005": "none"}


def load(path):
    with open(path) as f:
        return json.load(f)


def dump(path, value):
    with open(path, "w") as f:
        json.dump(value, f)


def copy_person(bids, new):
    """sub-001 under another name, without its field maps."""
    for old in glob.glob(f"{bids}/sub-001/**/*", recursive=True):
        if os.path.isdir(old) or "/fmap/" in old:
            continue
        path = old.replace("sub-001", new)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if old.endswith((".json", ".tsv")):
            with open(old) as f, open(path, "w") as g:
                g.write(f.read().replace("sub-001", new))
        else:
            shutil.copy(old, path)
    with open(f"{bids}/participants.tsv") as f:
        lines = f.read().splitlines()
    with open(f"{bids}/participants.tsv", "w") as f:
        f.write("\n".join(lines + [lines[1].replace("sub-001", new)]) + "\n")


def at_bold(image, to_world, bold, order):
    voxel = np.linalg.inv(image.affine) @ to_world @ bold.affine
    places = np.indices(bold.shape[:3]).reshape(3, -1)
    return map_coordinates(np.asarray(image.dataobj, float), voxel[:3, :3] @ places + voxel[:3, 3:], order=order,
                           mode="nearest").reshape(bold.shape[:3])


def write_fieldmaps(bids, hz, magnitude, affine):
    """Phase images with noise, wrapped into 0 .. 4095; the field is that of the head in the session's reference pose."""
    rng = np.random.default_rng(2)
    phases = [2 * np.pi * hz * e + rng.normal(0, 0.02, hz.shape) for e in ECHOES]
    scaled = lambda p: np.rint(np.mod(p, 2 * np.pi) / (2 * np.pi) * 4095).astype(np.int16)
    intended = lambda person: {"IntendedFor": [f"func/{person}_task-rest_bold.nii.gz"]}
    save = lambda person, name, data: nb.save(nb.Nifti1Image(data, affine), f"{bids}/{person}/fmap/{person}_{name}.nii.gz")
    for person in ("sub-002", "sub-003", "sub-004"):
        os.makedirs(f"{bids}/{person}/fmap")
        save(person, "magnitude" if person == "sub-004" else "magnitude1", magnitude.astype(np.float32))
    save("sub-002", "phasediff", scaled(phases[1] - phases[0]))
    dump(f"{bids}/sub-002/fmap/sub-002_phasediff.json", {"EchoTime1": ECHOES[0], "EchoTime2": ECHOES[1], **intended("sub-002")})
    for n, phase in enumerate(phases):
        save("sub-003", f"phase{n + 1}", scaled(phase))
        dump(f"{bids}/sub-003/fmap/sub-003_phase{n + 1}.json", {"EchoTime": ECHOES[n], **intended("sub-003")})
    save("sub-004", "fieldmap", hz.astype(np.float32))
    dump(f"{bids}/sub-004/fmap/sub-004_fieldmap.json", {"Units": "Hz", **intended("sub-004")})


def runs(folder):
    with h5py.File(f"{folder}/cohort.h5") as f:
        text = lambda name: [v.decode() for v in f["runs"][name][()]]
        return {i.split("_")[0]: d for i, *d in zip(text("run_id"), text("status"), text("distortion"), text("reason"))}


with Scratch() as scratch:
    bids = scratch.simulate("bids", 1, "--sites", "1", "--distortion", "1.5", "--volumes", "60")
    truth = f"{bids}/sourcedata/truth/sub-001/sub-001"
    bold = nb.load(f"{bids}/sub-001/func/sub-001_task-rest_bold.nii.gz")
    sidecar = load(f"{bids}/sub-001/func/sub-001_task-rest_bold.json")
    hz = at_bold(nb.load(truth + "_fieldmap.nii.gz"), np.eye(4), bold, 1)
    to_reference = np.array(load(glob.glob(f"{truth}_*motion.json")[0])["t1w_to_reference"])
    magnitude = at_bold(nb.load(f"{bids}/sub-001/anat/sub-001_T1w.nii.gz"), np.linalg.inv(to_reference), bold, 1)
    for person in list(KINDS)[1:]:
        copy_person(bids, person)
    write_fieldmaps(bids, hz, magnitude, bold.affine)
    out = scratch.path("out")
    code, text = run(bids, out, "all", "--progress", "none", "--write-volumes", "minimal", *FAST)
    check(code in (0, 1), text)
    table = runs(out)
    for person, kind in KINDS.items():
        print(person, *table[person])
        check(table[person][1] == kind, f"{person}: distortion {table[person][1]}, expected {kind}")
    check("distortion not corrected" in table["sub-005"][2], table["sub-005"][2])

    # Undistorted by the truth: the reference as acquired, read at x + s(x).
    reference = lambda person, folder=out: nb.load(f"{folder}/{person}/func/{person}_task-rest_desc-coreg_boldref.nii.gz")
    acquired = reference("sub-005").get_fdata()
    sign = -1 if sidecar["PhaseEncodingDirection"].endswith("-") else 1
    shift = sign * sidecar["TotalReadoutTime"] * hz
    i, j, k = np.indices(acquired.shape)
    true = map_coordinates(acquired, [i, j + shift, k], order=3, mode="mirror")
    moved = (np.abs(shift) > 0.3) & (magnitude > 0.3 * np.quantile(magnitude, 0.98))
    moved[..., :2] = moved[..., -2:] = False
    error = lambda image: np.sqrt(np.mean((image - true)[moved] ** 2)) / true[moved].mean()
    before = error(acquired)
    print(f"{moved.sum()} voxels moved by more than 0.3 voxel: RMS error {before:.3f} of the signal without correction")
    check(moved.sum() > 500, "the simulation must distort for this test to mean something")
    for person in ("sub-002", "sub-003", "sub-004"):
        left = error(reference(person).get_fdata())
        print(f"{KINDS[person]}: {left:.3f}")
        check(left < 0.5 * before, f"{KINDS[person]}: {left}, uncorrected {before}")

    # Without a field map, against the T1w: done or not, it is said.
    free = scratch.path("free")
    code, text = run(bids, free, "all", "--progress", "none", "--participant-label", "005", "--write-volumes", "minimal", *FAST,
                     "distortion.method=free")
    status, method, reason = runs(free)["sub-005"]
    print("free:", method, reason)
    check(method == "against the T1w, without a field map" or ("distortion not corrected" in reason and method == "none"),
          f"{method}: {reason}")
    left = error(reference("sub-005", free).get_fdata())
    print(f"against the T1w: {left:.3f}")
    check(left <= 1.02 * before, f"against the T1w: {left}, uncorrected {before}")
    with open(f"{free}/tables/runs.tsv") as f:
        check(any(r["distortion"] == method for r in csv.DictReader(f, delimiter="\t")), "runs.tsv must say the same")
print("ok")
