"""What each method leaves of the simulator's susceptibility distortion.

The measure: |estimated shift - true shift| in voxels along the phase-encoding axis at the brain's voxels (simulator's labels),
beside |true shift|, which is what stays when nothing is corrected. Median, 95th and 99th percentile; a method is worse than
nothing in a quantile when what it leaves is more than 0.005 voxel above what was there.
"""
import json
import os

import nibabel as nib
import numpy as np
import truth
from common import row
from scipy.ndimage import map_coordinates

METHODS = ("pepolar", "phase", "direct", "free")
QUANTILES = (0.5, 0.95, 0.99)
SLACK = 0.005  # voxel: of the interpolation of the true field
ECHOES = (0.00492, 0.00738)


def sampled(image, to_world, grid, order):
    voxel = np.linalg.inv(image.affine) @ to_world @ grid.affine
    places = np.indices(grid.shape[:3]).reshape(3, -1)
    return map_coordinates(np.asarray(image.dataobj, float), voxel[:3, :3] @ places + voxel[:3, 3:], order=order, mode="nearest")


def reference(s, bids, person):
    """BOLD reference, its mask, its pose against the session's reference."""
    bold = f"{bids}/{person}/func/{person}_task-rest_bold"
    with open(bold + ".json") as f:
        sidecar = json.load(f)
    ref, mask = s.path(f"{person}_ref.nii.gz"), s.path(f"{person}_refmask.nii.gz")
    s.stage("head_motion", bold + ".nii.gz", "--motion", s.path("m.tsv"), "--transforms", s.path("x.tsv"), "--out-reference", ref)
    s.stage("bold_mask", ref, "--out", mask)
    estimated = np.loadtxt(s.path("x.tsv"), skiprows=1).reshape(-1, 4, 4)
    true = truth.maps_of(f"{bids}/sourcedata/truth/{person}/{person}_task-rest_motion.tsv")
    pose = truth.rigid_mean([np.linalg.inv(e) @ t for e, t in zip(estimated, true)])  # session reference -> BOLD reference
    return ref, mask, sidecar, pose


def anatomy(s, bids, person):
    t1w, mask = s.path(f"{person}_t1w.nii.gz"), s.path(f"{person}_t1wmask.nii.gz")
    s.stage("bias_field", f"{bids}/{person}/anat/{person}_T1w.nii.gz", "--out", t1w)
    s.stage("brain_mask", t1w, "--template", s.template, "--out", mask)
    return t1w, mask


def field_of(s, bids, person, method, ref, brain, pose, seed):
    """Estimated field in Hz on the grid of `ref` for the methods that measure one. A field map is not distorted along the
    series' axis: its brain is the true one, and its noise is that of an even signal there, 20 times as large outside."""
    out = s.path("field.nii.gz")
    grid = nib.load(ref)
    hz = sampled(nib.load(f"{bids}/sourcedata/truth/{person}/{person}_fieldmap.nii.gz"), np.linalg.inv(pose), grid, 1).reshape(grid.shape)
    rng = np.random.default_rng(seed)
    signal, mask = np.where(brain, 1.0, 0.05), s.path("field_mask.nii.gz")
    nib.save(nib.Nifti1Image(brain.astype(np.uint8), grid.affine), mask)
    if method == "direct":
        noisy = hz + rng.normal(0, 2.0, hz.shape) / signal
        nib.save(nib.Nifti1Image(noisy.astype(np.float32), grid.affine), s.path("hz.nii.gz"))
        s.stage("fieldmap_phase", s.path("hz.nii.gz"), "--mask", mask, "--units", "Hz", "--field", out)
    else:  # two phases of 40:1 signal to noise, wrapped into 0 .. 4095
        for n, echo in enumerate(ECHOES):
            phase = 2 * np.pi * hz * echo + rng.normal(0, 0.025, hz.shape) / signal
            wrapped = np.mod(phase, 2 * np.pi) / (2 * np.pi) * 4095
            nib.save(nib.Nifti1Image(np.rint(wrapped).astype(np.int16), grid.affine), s.path(f"phase{n + 1}.nii.gz"))
        s.stage("fieldmap_phase", s.path("phase1.nii.gz"), s.path("phase2.nii.gz"), "--mask", mask, "--echo-time1", ECHOES[0],
                "--echo-time2", ECHOES[1], "--field", out)
    return np.asarray(nib.load(out).dataobj, float)


def residual(s, bids, person, method, seed=0, free_options=()):
    """True shift of the brain's voxels and what is left of it, in voxels; and what the stage said."""
    if method == "pepolar":
        shift, left = truth.distortion_residuals(s.o.program, bids, person, s.o.folder)
        return {"shift": np.abs(shift), "left": np.abs(left), "said": "", "person": person}
    ref, mask, sidecar, pose = reference(s, bids, person)
    grid = nib.load(ref)
    folder = f"{bids}/sourcedata/truth/{person}/{person}"
    with open(folder + "_from-T1w_to-boldref_xfm.json" if os.path.exists(folder + "_from-T1w_to-boldref_xfm.json")
              else folder + "_fmap_motion.json") as f:
        to_reference = np.array(json.load(f)["t1w_to_reference"])
    back = np.linalg.inv(pose)
    brain = sampled(nib.load(folder + "_space-T1w_dseg.nii.gz"), np.linalg.inv(to_reference) @ back, grid, 0) > 0
    sign = -1 if sidecar["PhaseEncodingDirection"].endswith("-") else 1
    shift = sign * sidecar["TotalReadoutTime"] * sampled(nib.load(folder + "_fieldmap.nii.gz"), back, grid, 1)
    said = ""
    if method == "free":
        t1w, t1w_mask = anatomy(s, bids, person)
        s.stage("coregistration", ref, "--bold-mask", mask, "--t1w", t1w, "--t1w-mask", t1w_mask, "--xfm", s.path("coreg.tsv"))
        said = s.stage("fieldmap_free", ref, "--bold-mask", mask, "--t1w", t1w, "--t1w-mask", t1w_mask, "--direction",
                       sidecar["PhaseEncodingDirection"], "--xfm", s.path("coreg.tsv"), "--shift", s.path("shift.nii.gz"),
                       *free_options)[3].strip()
        found = np.asarray(nib.load(s.path("shift.nii.gz")).dataobj, float).ravel()
    else:
        found = sign * sidecar["TotalReadoutTime"] * field_of(s, bids, person, method, ref, brain.reshape(grid.shape), pose, seed).ravel()
    return {"shift": np.abs(shift[brain]), "left": np.abs(found - shift)[brain], "said": said, "person": person,
            "direction": sidecar["PhaseEncodingDirection"]}


def quantiles(values):
    return np.quantile(values, QUANTILES)


def worse(case):
    return quantiles(case["left"]) > quantiles(case["shift"]) + SLACK


def report(method, cases):
    before, after = (np.array([quantiles(c[k]) for c in cases]) for k in ("shift", "left"))
    n_worse = sum(worse(c).any() for c in cases)
    none = sum("not corrected" in c["said"] for c in cases)
    text = " / ".join(f"{a:.3f}" for a in after.mean(0)) + " (uncorrected " + " / ".join(f"{b:.3f}" for b in before.mean(0)) + ")"
    row(f"distortion left in the brain, {method}, {len(cases)} simulated people: median / 95th / 99th percentile, mean over people",
        f"{text} voxel; largest 99th percentile {after[:, 2].max():.3f}; worse than uncorrected in a quantile: {n_worse}"
        + (f"; nothing corrected in {none}" if none else ""), "<= 0.3, never worse")
