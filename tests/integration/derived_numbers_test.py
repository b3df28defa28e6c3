"""What a cohort of preprocessed runs gives, beside numpy and scipy: region series of every kind, kinds of connectivity, measures of
voxels and graphs, quality, and what the group level makes of them; the same bytes for any threads and shards."""
import os

import h5py
import nibabel as nb
import numpy as np
from fmriprep_tree import SHAPE, SPACE, STEP, TR, brain_mask, parcels, add_run, confounds_of, series_of, start, write_atlas
from scipy import ndimage, signal, stats
from support import FAST, Scratch, check, run, same

nb.openers.Opener.default_compresslevel = 1
N, PEOPLE = 80, 12
RUN = "sub-01_task-rest"
PLAIN = ["nuisance_regression.strategy=none", "nuisance_regression.high_pass_hz=0", "nuisance_regression.fd_threshold_mm=0",
         "gates.max_fd_share=1"]


def cohort(folder):
    """Twelve people with a run each, the first with two; the tree is the dataset."""
    root = start(folder, "25.2")
    made = {}
    for p in range(PEOPLE):
        sub, rng = f"sub-{p + 1:02d}", np.random.default_rng([5, p])
        for r in range(2 if p == 0 else 1):
            data, columns = series_of(rng, N), confounds_of(rng, N)
            columns["framewise_displacement"][1:] *= 1 + 0.1 * p
            add_run(root, sub, "25.2", data, columns, run=f"run-{r + 1}" if p == 0 else "")
            made[sub, r] = data, columns
    with open(f"{root}/participants.tsv", "w", encoding="utf-8") as file:
        file.write("participant_id\tage\tsex\n")
        file.writelines(f"sub-{p + 1:02d}\t{20 + (7 * p) % 12}\t{'MF'[p % 2]}\n" for p in range(PEOPLE))
    return root, made


def close(ours, expected, limit, what):
    """Relative to the largest value expected; missing in the same places."""
    ours, expected = np.asarray(ours, float), np.asarray(expected, float)
    check(ours.shape == expected.shape, f"{what}: {ours.shape}, expected {expected.shape}")
    check(np.array_equal(np.isfinite(ours), np.isfinite(expected)), f"{what}: missing elsewhere than expected")
    error = np.nanmax(np.abs(ours - expected)) / np.nanmax(np.abs(expected))
    print(f"{what}: {error:.1e}")
    check(error < limit, f"{what}: {error}, expected less than {limit}")


def detrended(x):
    """Residuals of constant and trend."""
    design = np.c_[np.ones(len(x)), np.arange(len(x))]
    return x - design @ np.linalg.lstsq(design, x, rcond=None)[0]


def regions(data):
    """Means of the parcels; the one outside the brain is missing, the one without voxels is left out."""
    labels = parcels().ravel()
    out = np.stack([data[:, labels == i].mean(1) for i in (1, 2, 3, 4)] + [np.full(len(data), np.nan)], 1)
    return out


def options(atlas, *settings):
    return ["--progress", "none", "--path", f"atlas={atlas}", *FAST, "target.atlases=file", *PLAIN, *settings]


def name_of(file):
    return next(a for a in file["timeseries"] if a != "circuits")


def series_of_every_kind(scratch, root, atlas, made):
    data = made["sub-01", 0][0].astype(float)
    labels, mask = parcels().ravel(), brain_mask()
    work = ["--participant-label", "01", "-w", scratch.path("work")]

    def series(name, *settings):
        run(root, scratch.path(name), "participant", *work, *options(atlas, *settings), expect=0)
        with h5py.File(scratch.path(name, "sub-01", "sub-01.h5")) as f:
            return f[f"timeseries/{name_of(f)}/sub-01_task-rest_run-1/series"][()]

    close(series("mean"), regions(data), 1e-6, "mean of regions")
    expected = regions(data)
    expected[:, :4] = np.stack([np.median(data[:, labels == i], 1) for i in (1, 2, 3, 4)], 1)
    close(series("median", "extraction.statistic=median"), expected, 1e-6, "median of regions")
    for i in (1, 2, 3, 4):
        x = data[:, labels == i] - data[:, labels == i].mean(0)
        u, s, vt = np.linalg.svd(x, full_matrices=False)
        expected[:, i - 1] = u[:, 0] * s[0] / np.sqrt(x.shape[1]) * np.sign(vt[0].sum())
    close(series("eigen", "extraction.statistic=eigenvariate"), expected, 1e-4, "eigenvariate of regions")

    # The mean of the smoothed image over the voxels of a region in the brain; the brain ends before the image does.
    sigma = 6 / np.sqrt(8 * np.log(2)) / STEP
    smooth = np.stack([ndimage.gaussian_filter(v.reshape(SHAPE), sigma, mode="constant").ravel() for v in data])
    inside = mask.ravel()
    expected = np.stack([smooth[:, (labels == i) & inside].mean(1) for i in (1, 2, 3, 4)] + [np.full(N, np.nan)], 1)
    close(series("smooth", "voxels.smoothing_mm=6"), expected, 1e-6, "smoothed with 6 mm (scipy)")
    _, text = run(root, scratch.path("refused"), "participant", *options(atlas, "voxels.smoothing_mm=6",
                                                                          "extraction.statistic=median"), expect=2)
    check("voxels.smoothing_mm: found 6.0 with extraction.statistic" in text, text)

    # Despiked before the average: a spike of one voxel does not reach the region.
    spiked = data.copy()
    v = np.flatnonzero(labels == 2)[100]
    spiked[40, v] += 3000
    tree = start(scratch.path("spiked"), "25.2")
    add_run(tree, "sub-01", "25.2", spiked.astype("f4"), made["sub-01", 0][1], run="run-1")
    out = {}
    for despike in ("true", "false"):
        run(tree, scratch.path("spike" + despike), "participant", *options(atlas, f"voxels.despike={despike}"), expect=0)
        with h5py.File(scratch.path("spike" + despike, "sub-01", "sub-01.h5")) as f:
            out[despike] = f[f"timeseries/{name_of(f)}/sub-01_task-rest_run-1/series"][40, 1]
    n = (labels == 2).sum()
    check(abs(out["false"] - spiked[40, labels == 2].mean()) < 1e-2, "the spike is in the mean")
    check(abs(out["true"] - data[40, labels == 2].mean()) < 0.1 * 3000 / n, f"{out}: the spike is not in the despiked mean")


def kendall_w(x, mask):
    """Over 27 neighbours in the mask, of the voxels asked for by `mask` as a list of (i, j, k)."""
    index = -np.ones(SHAPE, int)
    index[brain_mask()] = np.arange(brain_mask().sum())
    out = []
    for i, j, k in mask:
        near = index[i - 1:i + 2, j - 1:j + 2, k - 1:k + 2].ravel()
        near = near[near >= 0]
        n, m = len(x), len(near)
        out.append(stats.friedmanchisquare(*x[:, near].astype("f4")).statistic / (m * (n - 1)))
    return np.array(out)


def measures_of_voxels(scratch, root, atlas, made):
    """ALFF, fALFF and tSNR of every voxel by scipy, their means over regions; ReHo of the boundary cases by hand."""
    out = scratch.path("measures")
    kept = ["regional.measures=alff,falff,reho,tsnr,graph,modularity", "alff.low_hz=0.02", "alff.high_hz=0.1",
            "modularity.n_null=9", "connectivity.kinds=correlation,sliding_window", "sliding_window.window=20",
            "sliding_window.step=5", "sliding_window.n_surrogates=9", "voxels.quality_of_derivatives=true"]
    run(root, out, "participant", "--participant-label", "02", *options(atlas, *kept), expect=0)
    data = made["sub-02", 0][0].astype(float)
    labels, mask = parcels().ravel(), brain_mask().ravel()
    x = data[:, mask]
    clean = detrended(x)
    z = clean / clean.std(0)
    f, power = signal.periodogram(z, fs=1 / TR, axis=0, detrend="constant", scaling="spectrum")
    amplitude = np.sqrt(power)
    low, high = np.argmin(np.abs(f - 0.02)), np.argmin(np.abs(f - 0.1))
    maps = {"alff": 2 * amplitude[low:high].mean(0) * clean.std(0), "falff": amplitude[low:high].sum(0) / amplitude[1:].sum(0),
            "tsnr": x.mean(0) / x.std(0)}
    with h5py.File(f"{out}/sub-02/sub-02.h5") as file:
        group = file[f"regional/rest/{name_of(file)}"]
        for name, values in maps.items():
            whole = np.full(labels.size, np.nan)
            whole[mask] = values
            expected = [np.nanmean(whole[labels == i]) for i in (1, 2, 3, 4)] + [np.nan]
            close(group[name][0], expected, 1e-4, f"{name} of regions (scipy)")
        # ReHo of a whole region is dear in Python: that of a region of its own, given as another atlas.
        reho = group["reho"][0]
        check(np.all((reho[:4] > 0.2) & (reho[:4] < 1)) and np.isnan(reho[4]), f"ReHo {reho}")
        r = np.corrcoef(detrended(regions(data)[:, :4]).T)
        strength = np.where(r > 0, r, 0).sum(1) - 1
        close(group["strength_positive"][0], np.r_[strength, np.nan], 1e-4, "strength (numpy)")
        check(0 <= group["modularity_p"][0] <= 1 and group["module"].shape == (1, 5), "modules with their p")
        check(0 < group["sliding_window_p"][0] <= 1 and group["sliding_window_n_windows"][0] == 13, "windows with their p")
        windows = np.stack([np.arctanh(np.corrcoef(detrended(regions(data)[:, :4])[w:w + 20].T)[np.triu_indices(4, 1)])
                            for w in range(0, N - 19, 5)])
        edges = file[f"connectivity/rest/{name_of(file)}"]
        pairs = [k for k, (a, b) in enumerate(zip(edges["edge_a"], edges["edge_b"])) if b < 4]
        close(edges["sliding_window_mean"][0][pairs], windows.mean(0), 1e-4, "mean over windows")
        close(edges["sliding_window_sd"][0][pairs], windows.std(0, ddof=1), 1e-3, "SD over windows")
        quality = {name: file["quality"][name][0] for name in file["quality"]}
        u = x - x.mean(0)
        g = (u / np.linalg.norm(u, axis=0)).mean(1)
        close(quality["gcor"], g @ g, 1e-4, "GCOR of a preprocessed run")
        close(quality["tsnr"], np.median(maps["tsnr"]), 1e-3, "tSNR of a preprocessed run")
        check(np.isfinite(quality["fd_dvars_correlation_initial"]) and np.isfinite(quality["fd_dvars_correlation_final"]),
              f"FD and DVARS before and after: {quality}")
        check(len(quality) > 40 and "carpet" in file, f"{len(quality)} values of quality")

    # ReHo by hand, of an atlas of eight voxels: at the rim of the brain and inside.
    labels = np.zeros(SHAPE, "i2")
    rim = np.argwhere(brain_mask() & ~ndimage.binary_erosion(brain_mask()))[[5, 200, 500, 900]]
    deep = np.array([[14, 28, 24], [20, 20, 22], [18, 33, 20], [22, 36, 26]])
    check((rim[:, 0] < 24).all(), "all on the left: an atlas of both hemispheres alike would be split")
    for v in (*rim, *deep):
        labels[tuple(v)] = 1
    nb.save(nb.Nifti1Image(labels, nb.load(atlas).affine), scratch.path(f"atlas-Eight_space-{SPACE}_dseg.nii.gz"))
    run(root, scratch.path("eight"), "participant", "--participant-label", "02",
        *options(scratch.path(f"atlas-Eight_space-{SPACE}_dseg.nii.gz"), "regional.measures=reho", "label_atlas.min_voxels=1"),
        expect=0)
    with h5py.File(scratch.path("eight", "sub-02", "sub-02.h5")) as file:
        close(file[f"regional/rest/{name_of(file)}/reho"][0], [kendall_w(clean, [*rim, *deep]).mean()], 1e-4,
              "ReHo of eight voxels (scipy)")


def whole_cohort(scratch, root, atlas, made):
    """Kinds of connectivity, several runs combined, tangent space and QC-FC; the same bytes for threads and shards."""
    kinds = "connectivity.kinds=correlation,fisher_z,spearman,partial,ledoit_wolf,lagged,tangent"
    settings = options(atlas, kinds, "qc_fc.permutations=99", "regional.measures=reho,graph", "voxels.despike=true",
                       "voxels.smoothing_mm=6")
    one, eight, parts = scratch.path("one"), scratch.path("eight_threads"), scratch.path("parts")
    run(root, one, "all", "--nprocs", 1, *settings, expect=0)
    run(root, eight, "all", "--nprocs", 8, *settings, expect=0)
    same(f"{one}/cohort.h5", f"{eight}/cohort.h5")
    for shard in ("1/3", "0/3", "2/3"):
        run(root, parts, "participant", "--shard", shard, *settings, expect=0)
    run(root, parts, "group", *settings, expect=0)
    same(f"{one}/cohort.h5", f"{parts}/cohort.h5")
    _, text = run("plan", root, one, "participant", *settings, expect=0)
    _, plain = run("plan", root, one, "participant", *options(atlas), expect=0)
    megabytes = [int(t.rsplit("largest task ", 1)[1].split()[0]) for t in (text, plain)]
    print(f"plan: {megabytes[0]} MB with despiking, smoothing and ReHo, {megabytes[1]} MB without")
    check(megabytes[0] > megabytes[1] + 5, "the plan counts what despiking holds")

    with h5py.File(f"{one}/cohort.h5") as file:
        name = name_of(file)
        edges = file[f"connectivity/rest/{name}"]
        check(set(edges) == {"edge", "edge_a", "edge_b", "n_volumes", "correlation", "fisher_z", "spearman", "partial",
                             "ledoit_wolf", "lagged", "lagged_reverse", "tangent"}, str(set(edges)))
        check(list(edges["n_volumes"]) == [2 * N] + [N] * (PEOPLE - 1), "two runs of the first person")
        parts = []
        for r in (1, 2):
            x = file[f"timeseries/{name}/sub-01_task-rest_run-{r}/denoised"][:, :4].astype(float)
            parts.append((x - x.mean(0)) / x.std(0, ddof=1))
        pairs = [k for k, (a, b) in enumerate(zip(edges["edge_a"], edges["edge_b"])) if b < 4]
        both = np.concatenate(parts)
        close(edges["correlation"][0][pairs], np.corrcoef(both.T)[np.triu_indices(4, 1)], 1e-5, "runs combined by z-scores")
        check(np.isnan(np.delete(edges["correlation"][0], pairs)).all(), "edges of the region outside are missing")
        rank = stats.spearmanr(both).statistic[np.triu_indices(4, 1)]
        close(edges["spearman"][0][pairs], rank, 1e-5, "Spearman (scipy)")
        check(edges["tangent"].attrs["fitted_on"] == "whole_cohort", "tangent says what it was fitted on")
        mean = file[f"cohort/tangent/rest/{name}/mean"][:4, :4]
        tangent = np.zeros((PEOPLE, 4, 4))
        rows, columns = np.triu_indices(4, 1)
        tangent[:, rows, columns] = tangent[:, columns, rows] = edges["tangent"][()][:, pairs]
        tangent[:, range(4), range(4)] = file[f"cohort/tangent/rest/{name}/diagonal"][:, :4]
        check(np.abs(tangent.mean(0)).max() < 1e-4 and np.linalg.eigvalsh(mean).min() > 0, "the geometric mean of the cohort")
        found = file[f"cohort/qc_fc/rest/{name}"]
        check(found.attrs["covariates"] == "age, sex" and found.attrs["n_people"] == PEOPLE, "covariates of QC-FC")
        fd = np.array([np.nanmean([np.nanmean(made[f"sub-{p + 1:02d}", r][1]["framewise_displacement"])
                                   for r in range(2 if p == 0 else 1)]) for p in range(PEOPLE)])
        design = np.c_[np.ones(PEOPLE), [20 + (7 * p) % 12 for p in range(PEOPLE)], [p % 2 for p in range(PEOPLE)]]
        residual = lambda y: y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        expected = [np.corrcoef(residual(edges["fisher_z"][()][:, k]), residual(fd))[0, 1] for k in pairs]
        close(found["r"][pairs], expected, 1e-4, "QC-FC beside age and sex (numpy)")
        summary = dict(zip([s.decode() for s in found["summary"]], found["summary_value"]))
        close(summary["median_absolute_r"], np.median(np.abs(expected)), 1e-4, "median |r|")
        check(file[f"regional/rest/{name}/reho"].shape == (PEOPLE, 5), "ReHo of everybody")
    for table, rows in (("quality", PEOPLE + 1), ("qc_fc", 6), ("graphs", PEOPLE)):
        with open(f"{one}/tables/{table}.tsv", encoding="utf-8") as file:
            check(len(file.readlines()) == rows + 1, f"{table}.tsv")
        check(os.path.exists(f"{one}/tables/{table}.json"), f"{table}.json")

    # Exactly forty volumes of everybody, drawn by a seed; with others, other volumes.
    drawn = []
    for seed in (1, 2):
        out = scratch.path(f"forty{seed}")
        run(root, out, "participant", *options(atlas, "connectivity.n_volumes=40", f"connectivity.random_seed={seed}",
                                               "connectivity.kinds=correlation"), expect=0)
        with h5py.File(f"{out}/sub-03/sub-03.h5") as file:
            check(file[f"connectivity/rest/{name}/n_volumes"][0] == 40, "forty volumes")
            drawn.append(file[f"connectivity/rest/{name}/correlation"][0])
    check(not np.array_equal(*drawn, equal_nan=True), "another seed draws other volumes")


with Scratch() as scratch:
    os.makedirs(scratch.path("atlas"))
    atlas = write_atlas(scratch.path("atlas"))
    root, made = cohort(scratch.path("tree"))
    series_of_every_kind(scratch, root, atlas, made)
    measures_of_voxels(scratch, root, atlas, made)
    whole_cohort(scratch, root, atlas, made)
print("ok")
