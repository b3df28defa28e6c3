"""A single-band reference leads the alignment; several echoes become one series. Both are made here from a simulated run,
and what the program writes is compared with what was put in."""
import json
import os

import h5py
import nibabel as nb
import numpy as np
from scipy.ndimage import binary_erosion, map_coordinates
from support import FAST, Scratch, check, run

ECHO_TIMES = np.array([0.013, 0.030, 0.047])


def reasons(path):
    with h5py.File(path) as f:
        return f["runs/reason"][0].decode(), [s.decode() for s in f["provenance/inputs/path"][()]], \
            [s.decode() for s in f["provenance/stages/name"][()]]


def process(scratch, bids, out, *options):
    code, text = run(bids, scratch.path(out), "participant", "--progress", "none", "--write-volumes", "all",
                     "--output-spaces", "func", "--ignore", "slicetiming", "fieldmaps", *options, *FAST)
    check(code in (0, 1), text)
    return scratch.path(out, "sub-001/func/sub-001_task-rest"), scratch.path(out, "sub-001/sub-001.h5")


with Scratch() as scratch:
    bids = scratch.simulate("bids", 1)
    name = f"{bids}/sub-001/func/sub-001_task-rest"
    with open(f"{name}_bold.json") as f:
        sidecar = json.load(f)
    raw = nb.load(f"{name}_bold.nii.gz")
    data = raw.get_fdata()
    mean = data[..., 10:].mean(axis=3)

    # An sbref of another contrast (three times as bright), a voxel further along j: written in the pose of the series.
    def write_sbref(image):
        nb.save(nb.Nifti1Image(image.astype(np.float32), raw.affine), f"{name}_sbref.nii.gz")
        with open(f"{name}_sbref.json", "w") as f:
            json.dump(sidecar, f)

    sharp = 3.0 * mean
    write_sbref(np.roll(sharp, 1, axis=1))
    files, shard = process(scratch, bids, "led")
    reason, inputs, _ = reasons(shard)
    check("sub-001/func/sub-001_task-rest_sbref.nii.gz" in inputs and "sbref" not in reason, f"{reason} {inputs}")
    inside = binary_erosion(nb.load(f"{files}_desc-brain_mask.nii.gz").get_fdata() > 0, iterations=2)
    written = nb.load(f"{files}_desc-coreg_boldref.nii.gz").get_fdata()
    moved = np.sqrt(np.mean((written - np.roll(sharp, 1, axis=1))[inside] ** 2))
    error = np.sqrt(np.mean((written - sharp)[inside] ** 2))
    print(f"sbref: brightness {np.median(written[inside] / mean[inside]):.3f}, error {error:.1f}, unaligned {moved:.1f}")
    check(abs(np.median(written[inside] / mean[inside]) - 3) < 0.1, "the written reference must be the sbref")
    check(error < 0.3 * moved, "the sbref must be in the pose of the series")

    # One that does not fit is named, and the run goes on without it; --ignore sbref does not look at it.
    write_sbref(np.random.default_rng(1).normal(size=mean.shape))
    _, shard = process(scratch, bids, "noise")
    check("the sbref is not used" in reasons(shard)[0], reasons(shard)[0])
    nb.save(nb.Nifti1Image(mean[:-2].astype(np.float32), raw.affine), f"{name}_sbref.nii.gz")
    _, shard = process(scratch, bids, "grid")
    check("another grid" in reasons(shard)[0], reasons(shard)[0])
    _, shard = process(scratch, bids, "ignored", "--ignore", "sbref", "slicetiming", "fieldmaps")
    reason, inputs, _ = reasons(shard)
    check("sbref" not in reason and not any("sbref" in i for i in inputs), f"{reason} {inputs}")
    for end in ("nii.gz", "json"):
        os.remove(f"{name}_sbref.{end}")

    # Three echoes with known T2* that varies over the head; the second is the simulated run.
    os.remove(f"{name}_bold.nii.gz")
    os.remove(f"{name}_bold.json")
    t2star = 0.030 + 0.020 * np.linspace(0, 1, data.shape[0])[:, None, None] * np.ones(data.shape[:3])
    rng = np.random.default_rng(2)
    noise = 0.01 * np.median(mean[inside])
    echoes = [data * np.exp(-(te - ECHO_TIMES[1]) / t2star)[..., None] + noise * rng.normal(size=data.shape)
              for te in ECHO_TIMES]
    for n, (te, echo) in enumerate(zip(ECHO_TIMES, echoes), 1):
        nb.save(nb.Nifti1Image(echo.astype(np.float32), raw.affine), f"{name}_echo-{n}_bold.nii.gz")
        with open(f"{name}_echo-{n}_bold.json", "w") as f:
            json.dump({**sidecar, "EchoTime": te}, f)
        header = nb.load(f"{name}_echo-{n}_bold.nii.gz").header
        check(len(header.get_data_shape()) == 4, "a series")
    files, shard = process(scratch, bids, "combined")
    reason, inputs, stages = reasons(shard)
    check("multi_echo" in stages and sum("echo-" in i and i.endswith(".nii.gz") for i in inputs) == 3, f"{stages} {inputs}")
    fitted = nb.load(f"{files}_T2starmap.nii.gz").get_fdata()
    ratio = fitted[inside] / (1000 * t2star[inside])
    print(f"T2*: median ratio {np.median(ratio):.4f}, 5th to 95th percentile {np.quantile(ratio, .05):.3f} to {np.quantile(ratio, .95):.3f}")
    check(abs(np.median(ratio) - 1) < 0.02 and np.quantile(np.abs(ratio - 1), .9) < 0.1, "T2* must be recovered")
    weight = ECHO_TIMES[:, None, None, None] * np.exp(-ECHO_TIMES[:, None, None, None] / t2star)
    expected = sum(w[..., None] * e for w, e in zip(weight / weight.sum(axis=0), echoes))
    with open(f"{files}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt") as f:
        matrices = [[float(x) for x in line.split()[1:]] for line in f if line.startswith("Parameters:")]
    lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    series = nb.load(f"{files}_desc-preproc_bold.nii.gz")
    t = 40
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = np.reshape(matrices[t][:9], (3, 3)), matrices[t][9:]
    to_voxel = np.linalg.inv(raw.affine) @ lps @ motion @ lps @ raw.affine
    at = (to_voxel[:3, :3] @ np.argwhere(inside).T) + to_voxel[:3, 3:]
    found, wanted = series.dataobj[..., t][inside], map_coordinates(expected[..., t], at, order=3, mode="mirror")
    error = np.sqrt(np.mean((found - wanted) ** 2)) / np.median(wanted)
    alone = np.sqrt(np.mean((map_coordinates(echoes[1][..., t], at, order=3, mode="mirror") - wanted) ** 2)) / np.median(wanted)
    print(f"combined volume: error {error:.5f} of its median, the second echo alone differs by {alone:.4f}")
    check(error < 0.003 and alone > 0.01, "the written series must be the weighted sum")
    with open(f"{files}_desc-preproc_bold.json") as f:
        written = json.load(f)
    check("EchoTime" not in written and sum("_echo-" in s for s in written["Sources"]) == 3, str(written))

    # Without an echo time nothing is combined, and the run says so.
    with open(f"{name}_echo-3_bold.json", "w") as f:
        json.dump({k: v for k, v in sidecar.items() if k != "EchoTime"}, f)
    _, shard = process(scratch, bids, "alone")
    reason, _, stages = reasons(shard)
    check("echoes are not combined" in reason and "no EchoTime" in reason and "multi_echo" not in stages, reason)
print("ok")
