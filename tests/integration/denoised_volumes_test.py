"""--write-volumes all: the denoised images and the maps hold the numbers of the region series and tables, of runs preprocessed
elsewhere and of our own; what stage denoise writes of the same run; the same bytes for any threads. Regressors of a voxel's own
are removed as numpy's least squares per voxel."""
import json
import os

import h5py
import nibabel as nb
import numpy as np
from fmriprep_tree import AFFINE, MOTION, SHAPE, SPACE, TR, add_run, brain_mask, confounds_of, parcels, series_of, start, write_atlas
from scipy import ndimage
from support import FAST, Scratch, check, run

N, DUMMIES, CENSORED = 120, 3, [30, 31, 70, 119]
MASK, LABELS = brain_mask(), parcels()
RUN = "sub-01_task-rest"
MODEL = ["nuisance_regression.strategy=custom", "nuisance_regression.columns=" + ",".join(MOTION), "gates.max_fd_share=1",
         "nuisance_regression.fd_threshold_mm=0.5"]
BAND = ["nuisance_regression.filter=butterworth", "nuisance_regression.high_pass_hz=0.01", "nuisance_regression.low_pass_hz=0.1"]


def person(root, sub, seed):
    """A head: noise around the brain, spikes of voxels."""
    rng = np.random.default_rng(seed)
    data = series_of(rng, N)
    outside = ~MASK.ravel()
    data[:, outside] = 300 + 20 * rng.standard_normal((N, outside.sum())).astype("f4")
    data[rng.random(data.shape, dtype="f4") < 0.002] += 150
    columns = confounds_of(rng, N, DUMMIES)
    fd = columns["framewise_displacement"]
    fd[1:] *= 0.3 / np.nanmax(fd)
    fd[CENSORED] = 0.9
    add_run(root, sub, "25.2", data, columns)
    return data, columns


def image(out, what, sub="sub-01", space=f"_space-{SPACE}_res-2"):
    return nb.load(f"{out}/{sub}/func/{sub}_task-rest{space}_{what}.nii.gz")


def region_means(volumes, labels=LABELS, mask=MASK):
    """T x 4: of the boxes in the mask."""
    values = np.asarray(volumes.dataobj, dtype=float)
    return np.stack([values[(labels == i) & mask].mean(0) for i in (1, 2, 3, 4)], -1)


def scored(x):
    return (x - x.mean(0)) / x.std(0, ddof=1)


def close(ours, expected, limit, what):
    """Relative to the largest value expected."""
    check(ours.shape == expected.shape, f"{what}: {ours.shape}, expected {expected.shape}")
    error = np.abs(ours - expected).max() / np.abs(expected).max()
    print(f"{what}: {error:.1e}")
    check(error < limit, f"{what}: {error}, expected less than {limit}")


def atlas_group(file, name):
    return next(file[name][a] for a in file[name] if a != "circuits")


def shard_series(out, sub="sub-01"):
    with h5py.File(f"{out}/{sub}/{sub}.h5") as f:
        group = atlas_group(f, "timeseries")[f"{sub}_task-rest"]
        return group["denoised"][:, :4].astype(float), group["kept"][()] == 1


def options(atlas, *more):
    return ["--progress", "none", "--participant-label", "01", "--path", f"atlas={atlas}", *FAST, "target.atlases=file", *MODEL, *more]


def sidecars(out):
    folder = f"{out}/sub-01/func"
    for name in os.listdir(folder):
        if name.endswith(".nii.gz"):
            check(os.path.exists(f"{folder}/{name[:-7]}.json"), f"{name} has no sidecar")
    with open(f"{folder}/{RUN}_space-{SPACE}_res-2_desc-denoised_bold.json", encoding="utf-8") as file:
        says = json.load(file)
    kept = np.setdiff1d(np.arange(DUMMIES, N), CENSORED)
    check(np.allclose(says["VolumeTiming"], TR * (kept - DUMMIES)) and "RepetitionTime" not in says and
              abs(says["FrameAcquisitionDuration"] - TR) < 1e-6, f"times: {says}")
    check(says["Despiked"] is True and says["NumberOfVolumesDiscarded"] == DUMMIES and says["TaskName"] == "rest"
          and set(MOTION) <= set(says["NuisanceParameters"]) and says["Sources"][0].endswith("desc-preproc_bold.nii.gz"), f"{says}")


def given_run(scratch, atlas, root):
    """Every order and step on a run that was preprocessed elsewhere."""
    measures = "regional.measures=alff,falff,reho,tsnr"
    cases = {"plain": [], "despiked": ["voxels.despike=true"], "smoothed": ["voxels.smoothing_mm=6"],
             "all": [*BAND, "voxels.despike=true", "voxels.smoothing_mm=6", measures, "nuisance_regression.standardize=false",
                     "alff.low_hz=0.01", "alff.high_hz=0.1"]}
    for name, more in cases.items():
        out = scratch.path("given_" + name)
        run(root, out, "participant", "--write-volumes", "all", *options(atlas, *more), expect=0)
        series, kept = shard_series(out)
        what = "desc-denoisedSmoothed_bold" if name in ("smoothed", "all") else "desc-denoised_bold"
        volumes = image(out, what)
        check(volumes.shape == (*SHAPE, kept.sum()) and kept.sum() == N - DUMMIES - len(CENSORED), f"{volumes.shape}")
        means = region_means(volumes)
        if name == "all":
            close(means, series[kept], 2e-6, f"{name}: region means of {what}")  # float32 images and series
        else:
            close(scored(means), scored(series[kept]), 2e-5, f"{name}: region means of {what}, z-scored")
        denoised = np.asarray(image(out, "desc-denoised_bold").dataobj)
        check(not denoised[~MASK].any() and (denoised[MASK].std(-1) > 0).all(), "denoised inside the mask, 0 outside")
        check(os.path.exists(f"{out}/sub-01/func/{RUN}_space-{SPACE}_res-2_desc-denoisedSmoothed_bold.nii.gz") ==
              (name in ("smoothed", "all")), "smoothed only when asked for")
    sigma = 6 / np.sqrt(8 * np.log(2)) / 4
    smooth = np.stack([ndimage.gaussian_filter(denoised[..., t].astype(float), sigma) for t in range(denoised.shape[3])], -1)
    close(np.asarray(volumes.dataobj, dtype=float), smooth, 2e-6, "smoothed volumes (scipy)")
    sidecars(out)
    with h5py.File(f"{out}/sub-01/sub-01.h5") as f:
        regional = atlas_group(f, "regional/rest")
        for measure in ("alff", "falff", "reho", "tsnr"):
            found = np.asarray(image(out, f"stat-{measure}_boldmap").dataobj, dtype=float)
            means = np.array([found[(LABELS == i) & MASK].mean() for i in (1, 2, 3, 4)])
            close(means, regional[measure][0, :4], 1e-6, f"region means of stat-{measure}_boldmap")
    stage_gives_the_same(scratch, out, root)
    again = scratch.path("eight")
    run(root, again, "participant", "--write-volumes", "all", "--nprocs", 8, *options(atlas, *cases["all"]), expect=0)
    once_more = scratch.path("given_all")  # from the cache
    before = {n: open(f"{out}/sub-01/func/{n}", "rb").read() for n in os.listdir(f"{out}/sub-01/func")}
    run(root, once_more, "participant", "--write-volumes", "all", "--nprocs", 1, *options(atlas, *cases["all"]), expect=0)
    for name, content in before.items():
        for folder in (again, once_more):
            with open(f"{folder}/sub-01/func/{name}", "rb") as file:
                check(file.read() == content, f"{folder}: other bytes in {name}")
    plans = [run("plan", root, out, "participant", *options(atlas, *cases["all"]), *more)[1] for more in ([], ["--write-volumes", "none"])]
    check(all("largest task" in p for p in plans), plans[0])


def stage_gives_the_same(scratch, out, root):
    """boldmill stage denoise on the files of the run."""
    stem = f"{root}/sub-01/func/{RUN}"
    files = [scratch.path(f"stage_{k}.nii.gz") for k in ("denoised", "smoothed", "alff", "reho")]
    run("stage", "denoise", f"{stem}_space-{SPACE}_res-2_desc-preproc_bold.nii.gz", "--mask",
        f"{stem}_space-{SPACE}_res-2_desc-brain_mask.nii.gz", "--confounds", f"{stem}_desc-confounds_timeseries.tsv", "--tr", TR,
        "--dummy-scans", DUMMIES, "--strategy", "custom", "--columns", *MOTION, "--filter", "butterworth", "--high-pass-hz", 0.01,
        "--low-pass-hz", 0.1, "--fd-threshold-mm", 0.5, "--standardize", "false", "--min-dof", 10, "--despike", "--smoothing", 6,
        "--out", files[0], "--smoothed", files[1], "--alff", files[2], "--reho", files[3], expect=0)
    for path, what in zip(files, ("desc-denoised_bold", "desc-denoisedSmoothed_bold", "stat-alff_boldmap", "stat-reho_boldmap")):
        check(np.array_equal(np.asarray(nb.load(path).dataobj), np.asarray(image(out, what).dataobj)), f"stage denoise: {what}")


def own_run(scratch):
    """A raw run: the denoised series on the grid of the regions, with an atlas made on that grid."""
    bids, work, first = scratch.simulate("bids", 1), scratch.path("work"), scratch.path("own_grid")
    common = ["participant", "--progress", "none", "-w", work, *FAST]
    code, text = run(bids, first, *common[:5], "--write-volumes", "all", *common[5:])
    check(code in (0, 1), text)
    space = f"_space-{SPACE}"
    brain = image(first, "desc-brain_mask", "sub-001", space)
    mask = np.asarray(brain.dataobj) > 0
    i, j, k = np.indices(mask.shape)
    labels = (1 + (i > mask.shape[0] // 2) + 2 * (j // 4 % 2)).astype("i2")
    labels[~ndimage.binary_dilation(mask)] = 0  # a rim outside the brain
    # Voxels that leave the field of view with a movement count in the series while they are seen, and are 0 in the images.
    leaves = mask & (np.asarray(image(first, "desc-preproc_bold", "sub-001", space).dataobj) == 0).any(-1)
    check(not np.asarray(image(first, "desc-denoised_bold", "sub-001", space).dataobj)[leaves].any(), "0 where not always seen")
    check(0 < leaves.sum() < 0.1 * mask.sum(), f"{leaves.sum()} of {mask.sum()} voxels leave the field of view")
    # With 8 mm they reach their neighbours.
    labels[ndimage.binary_dilation(leaves, np.ones((3, 3, 3)), iterations=5)] = 0
    os.makedirs(scratch.path("own_atlas"))
    atlas = scratch.path("own_atlas", f"atlas-Own_space-{SPACE}_dseg.nii.gz")
    nb.save(nb.Nifti1Image(labels, brain.affine), atlas)
    for name, more in (("despiked", ["voxels.despike=true"]), ("smoothed", ["voxels.despike=true", "voxels.smoothing_mm=8"])):
        out = scratch.path("own_" + name)
        run(bids, out, *common[:5], "--write-volumes", "all", "--path", f"atlas={atlas}", *common[5:], "target.atlases=file",
            "regional.measures=alff,reho", *more, expect=code)
        what = "desc-denoisedSmoothed_bold" if name == "smoothed" else "desc-denoised_bold"
        series, kept = shard_series(out, "sub-001")
        # Float values of about 1,000 (half a last digit: 3e-5), smoothed along three axes before or after denoising, against
        # means that move by about one.
        close(scored(region_means(image(out, what, "sub-001", space), labels, mask)), scored(series[kept]), 2e-4,
              f"own run, {name}: region means, z-scored")
        plain = np.asarray(image(out, "desc-denoised_bold", "sub-001", space).dataobj)
        check(not plain[~mask].any() and plain[mask].any(), "denoised inside the mask")
        for measure in ("alff", "reho"):
            found = np.asarray(image(out, f"stat-{measure}_boldmap", "sub-001", "").dataobj)
            own = np.asarray(image(out, "desc-brain_mask", "sub-001", "").dataobj) > 0
            check(found.shape == own.shape and not found[~own].any() and (found[own] > 0).mean() > 0.9, f"{measure} on the own grid")


def numpy_per_voxel(data, columns, own):
    """Residuals over the volumes kept of [1, t, motion, a voxel's own series], least squares voxel by voxel."""
    kept = np.setdiff1d(np.arange(DUMMIES, N), CENSORED)
    common = np.c_[np.ones(N), np.arange(N), np.stack([columns[m] for m in MOTION], 1)]
    out = np.zeros((len(kept), data.shape[1]))
    for v in range(data.shape[1]):
        x = np.c_[common, own[:, v]][kept]
        out[:, v] = data[kept, v] - x @ np.linalg.lstsq(x, data[kept, v], rcond=None)[0]
    return out


def regressors_of_voxels(scratch, atlas, root, data, columns):
    """voxels.regressors: an image beside the series, such as rapidtide's or the white matter around each voxel."""
    rng = np.random.default_rng(12)
    own = (rng.standard_normal(data.shape) + np.linspace(-1, 1, data.shape[1])).astype("f4")
    inside = MASK.ravel()
    data = data.copy()
    data[:, inside] += 4 * own[:, inside]
    add_run(root, "sub-01", "25.2", data, columns)
    path = f"{root}/sub-01/func/{RUN}_space-{SPACE}_desc-LFO_timeseries.nii.gz"
    save = lambda values, to=path: nb.save(nb.Nifti1Image(values.T.reshape(*SHAPE, -1), AFFINE), to)
    save(own)
    plain = ["nuisance_regression.high_pass_hz=0"]
    used = [*plain, "voxels.regressors=desc-LFO_timeseries.nii.gz"]
    dof = {}
    for name, more in (("without", plain), ("with", used)):
        out = scratch.path("own_" + name)
        run(root, out, "participant", "--write-volumes", "all", *options(atlas, *more), expect=0)
        with h5py.File(f"{out}/sub-01/sub-01.h5") as f:
            dof[name] = f["runs/dof_left"][0]
            inputs = [p.decode() for p in f["provenance/inputs/path"][()]]
    check(dof["without"] - dof["with"] == 1, f"one degree of freedom a regressor: {dof}")
    check(any(p.endswith("desc-LFO_timeseries.nii.gz") for p in inputs), f"an input like the others: {inputs}")
    boxes = {i: np.flatnonzero((LABELS == i).ravel())[:: 40] for i in (1, 2, 3, 4)}
    volumes = np.asarray(image(out, "desc-denoised_bold").dataobj).reshape(-1, N - DUMMIES - len(CENSORED)).T
    at = np.concatenate(list(boxes.values()))
    close(volumes[:, at], numpy_per_voxel(data[:, at].astype(float), columns, own[:, at].astype(float)), 2e-6,
          "voxels with regressors of their own (numpy)")
    series, kept = shard_series(out)
    close(scored(region_means(image(out, "desc-denoised_bold"))), series[kept], 2e-5, "their region means are the series")
    first = np.flatnonzero((LABELS == 1).ravel())
    whole = numpy_per_voxel(data[:, first].astype(float), columns, own[:, first].astype(float)).mean(1)
    close(series[kept][:, 0], scored(whole), 2e-5, "a region with regressors of its voxels (numpy)")

    def refused(name, word, *more):
        out = scratch.path("refused_" + name)
        code, text = run(root, out, "participant", *options(atlas, *(more or used)))
        check(code == 1 and word in text, f"{name}: {code}, {text}")
        print(f"{name}: {text.strip().splitlines()[-1][:200]}")

    refused("no_image", "found no image that ends in _desc-CSF_timeseries.nii.gz", *plain, "voxels.regressors=desc-CSF_timeseries.nii.gz")
    save(own[:50])
    refused("shorter", "found 50 volumes, expected 120 on the grid of the series")
    save(own, path.replace("LFO", "LFO2"))
    refused("two_images", "expected one", *plain, "voxels.regressors=desc-LFO*_timeseries.nii.gz")
    bids = scratch.simulate("raw", 1)
    code, text = run(bids, scratch.path("raw_out"), "participant", "--progress", "none", *FAST, "voxels.regressors=desc-LFO_timeseries.nii.gz")
    check(code == 1 and "found a raw one" in text, f"{code} {text}")


with Scratch() as scratch:
    os.makedirs(scratch.path("atlas"))
    atlas = write_atlas(scratch.path("atlas"))
    root = start(scratch.path("tree"), "25.2")
    data, columns = person(root, "sub-01", 3)
    given_run(scratch, atlas, root)
    regressors_of_voxels(scratch, atlas, root, data, columns)
    own_run(scratch)
print("ok")
