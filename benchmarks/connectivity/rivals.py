"""The peers on one run of make_data.py, called as their own code and documentation call them.

    rivals.py parcel_nilearn|parcel_xcpd|smooth_nilearn|voxel DATA OUT

parcel_nilearn  NiftiLabelsMasker first, then XCP-D's steps on the means. (signal.clean of nilearn 0.14.1 with sample_mask turns the
                mask into indices and inverts these bitwise, so that censored volumes are not interpolated before the filter.)
parcel_xcpd     XCP-D 26: apply_mask, interpolate, detrend, filter, least squares on the volumes kept, unmask, NiftiLabelsMasker
smooth_nilearn  NiftiLabelsMasker with smoothing_fwhm=6
voxel           3dDespike -NEW (numpy), XCP-D's denoising, ReHo and ALFF, the denoised volumes written by nibabel

numpy runs in its vectorised best: despiking and ReHo, which XCP-D leaves to AFNI, are done for many voxels at once, and
XCP-D's loop over voxels for ALFF is run on every --alff-step th voxel. Prints a JSON object: seconds of every step and
`extrapolated`, what the voxels left out would have taken.
"""
import argparse
import json
import time
import warnings

import nibabel
import numpy as np
import pandas as pd
from nilearn import masking, signal
from nilearn.maskers import NiftiLabelsMasker
from scipy import ndimage
from scipy.signal import lombscargle
from scipy.stats import rankdata

warnings.simplefilter("ignore")
TR, LOW, HIGH, FD = 2.0, 0.08, 0.01, 0.3
STEPS = {}


class step:
    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.start = time.perf_counter()

    def __exit__(self, *_):
        STEPS[self.name] = round(time.perf_counter() - self.start, 3)


def confounds_of(data):
    table = pd.read_csv(f"{data}/confounds.tsv", sep="\t")
    keep = ~(table["framewise_displacement"].fillna(0).to_numpy() > FD)
    values = table.drop(columns="framewise_displacement").fillna(0).to_numpy()
    # As nilearn does; as they come, lstsq takes the smallest ones for linearly dependent.
    return values / np.abs(values).max(axis=0), keep


def interpolated(x, keep):
    y = signal._interpolate_volumes(x, sample_mask=keep, t_r=TR, extrapolate=True)
    first, last = np.flatnonzero(keep)[[0, -1]]
    y[:first], y[last + 1:] = y[first], y[last]
    return y


def denoised(bold, confounds, keep):
    """xcp_d.utils.utils.denoise_with_nilearn: volumes x voxels, censored volumes interpolated."""
    n = len(bold)

    def prepared(x):
        x = signal.standardize_signal(interpolated(x, keep), detrend=True, standardize=None)
        return signal.butterworth(x, sampling_rate=1 / TR, low_pass=LOW, high_pass=HIGH, order=2, padtype="constant", padlen=n - 1)

    with step("interpolate, detrend, filter"):
        confounds, bold = prepared(confounds), prepared(bold)
    with step("least squares"):
        betas = np.linalg.lstsq(confounds[keep], bold[keep], rcond=None)[0]
        return bold - confounds @ betas


def despiked(bold):
    n = len(bold)
    start = np.clip(np.arange(n) - 4, 0, n - 9)
    u = (np.arange(n) - 0.5 * (n - 1)) * 2 / n
    waves = [f(2 * np.pi * k * np.arange(n) / n) for k in range(1, int(np.rint(n / 30)) + 1) for f in (np.sin, np.cos)]
    curves = np.stack([np.ones(n), u, u**2, *waves], axis=1)
    inverse = np.linalg.pinv(curves)
    out = np.empty_like(bold)
    for begin in range(0, bold.shape[1], 4000):
        y = bold[:, begin:begin + 4000]
        windows = np.lib.stride_tricks.sliding_window_view(y, 9, axis=0)
        median = np.median(windows, axis=2)
        spread = np.median(np.abs(windows - median[:, :, None]), axis=2)
        median, spread = median[start], spread[start]
        z = np.where(np.abs(y - median) > 6.789 * np.median(spread, axis=0), median, y)
        fit = curves @ (inverse @ z.astype(float))
        sd = np.sqrt(np.pi / 2) * np.median(np.abs(y - fit), axis=0)
        s = (y - fit) / sd
        pulled = fit + np.sign(s) * (2.5 + 1.5 * np.tanh((np.abs(s) - 2.5) / 1.5)) * sd
        out[:, begin:begin + 4000] = np.where(np.abs(s) > 2.5, pulled, y)
    return out


def reho(kept, mask):
    n = len(kept)
    ranks = np.empty(kept.shape, "f4")
    for begin in range(0, kept.shape[1], 20000):
        ranks[:, begin:begin + 20000] = rankdata(kept[:, begin:begin + 20000], axis=0)
    box = lambda x: ndimage.convolve(x, np.ones((3, 3, 3), "f4"), mode="constant")
    k = box(mask.astype("f4"))[mask]
    volume = np.zeros(mask.shape, "f4")
    squares = np.zeros(len(k))
    for row in ranks:
        volume[mask] = row
        squares += (box(volume)[mask] - k * (n + 1) / 2.0) ** 2
    return 12 * squares / (k**2 * (n**3 - n))


def alff(series, keep):
    """xcp_d.utils.restingstate.compute_alff."""
    n = len(series)
    time_s = np.arange(n) * TR
    hz = np.linspace(0, 0.5 / TR, n // 2 + 1)[1:]
    low, high = np.argmin(np.abs(hz - HIGH)), np.argmin(np.abs(hz - LOW))
    out = np.empty(series.shape[1])
    for v in range(series.shape[1]):
        y = series[:, v]
        kept = y[keep] - y[keep].mean()
        kept /= kept.std()
        power = lombscargle(time_s[keep], kept, 2 * np.pi * hz, normalize=True)
        out[v] = 2 * np.sqrt(power)[low:high].mean() * y.std()
    return out


def parcel_nilearn(o):
    confounds, keep = confounds_of(o.data)
    with step("extract"):
        masker = NiftiLabelsMasker(f"{o.data}/atlas.nii.gz", mask_img=f"{o.data}/mask.nii.gz", standardize=None)
        series = masker.fit_transform(f"{o.data}/bold.nii.gz").astype(float)
    return denoised(series, confounds, keep)[keep]


def parcel_xcpd(o):
    confounds, keep = confounds_of(o.data)
    with step("read"):
        bold = masking.apply_mask(f"{o.data}/bold.nii.gz", f"{o.data}/mask.nii.gz")
    bold = denoised(bold, confounds, keep)[keep]
    with step("unmask and extract"):
        image = masking.unmask(bold, f"{o.data}/mask.nii.gz")
        masker = NiftiLabelsMasker(f"{o.data}/atlas.nii.gz", mask_img=f"{o.data}/mask.nii.gz", standardize=None)
        return masker.fit_transform(image)


def smooth_nilearn(o):
    with step("smooth and extract"):
        masker = NiftiLabelsMasker(f"{o.data}/atlas.nii.gz", mask_img=f"{o.data}/mask.nii.gz", smoothing_fwhm=6, standardize=None)
        return masker.fit_transform(f"{o.data}/bold.nii.gz")


def voxel(o):
    confounds, keep = confounds_of(o.data)
    mask = nibabel.load(f"{o.data}/mask.nii.gz").get_fdata() > 0
    with step("read"):
        bold = masking.apply_mask(f"{o.data}/bold.nii.gz", f"{o.data}/mask.nii.gz")
    with step("despike"):
        bold = despiked(bold)
    bold = denoised(bold, confounds, keep)
    with step("reho"):
        homogeneity = reho(bold[keep].astype("f4"), mask)
    with step("alff"):
        amplitude = alff(bold[:, ::o.alff_step], keep)
    STEPS["extrapolated"] = round(STEPS["alff"] * (o.alff_step - 1), 3)
    with step("write"):
        masking.unmask(bold[keep].astype("f4"), f"{o.data}/mask.nii.gz").to_filename(f"{o.out}.nii.gz")
        masking.unmask(homogeneity.astype("f4"), f"{o.data}/mask.nii.gz").to_filename(f"{o.out}_reho.nii.gz")
    np.save(f"{o.out}_alff.npy", amplitude)
    return bold[keep][:, ::997]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["parcel_nilearn", "parcel_xcpd", "smooth_nilearn", "voxel"])
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--alff-step", type=int, default=20)
    o = parser.parse_args()
    series = globals()[o.what](o)
    np.save(f"{o.out}.npy", series)
    if o.what.startswith("parcel"):
        with step("correlation"):
            np.save(f"{o.out}_r.npy", np.corrcoef(series.T))
    print(json.dumps(STEPS))


if __name__ == "__main__":
    main()
