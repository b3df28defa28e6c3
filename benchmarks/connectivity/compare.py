"""Agreement of boldmill's files with what rivals.py wrote; ends with an error when a limit is passed.

    compare.py parcel CLEAN.tsv MATRIX.tsv THEIRS       largest difference of series (of their largest value) and of r
    compare.py series SERIES.tsv THEIRS                 of region means (of their largest value)
    compare.py voxel MASK DENOISED ALFF REHO THEIRS     every 997th voxel, ALFF of every 20th, ReHo everywhere
"""
import sys

import nibabel
import numpy as np
import pandas as pd


def say(what, value, limit):
    print(f"{what}: {value:.1e} (limit {limit:.0e})")
    if not value <= limit:
        sys.exit(f"{what} disagrees")


def table(path):
    return pd.read_csv(path, sep="\t", na_values="n/a")


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def main():
    what, *files = sys.argv[1:]
    theirs = np.load(f"{files[-1]}.npy")
    name = files[-1].rsplit("_", 1)[1]
    if what == "parcel":
        clean = table(files[0]).dropna(how="all").to_numpy()
        say(f"{name}: time series", relative(clean, theirs), 1e-5)
        r = table(files[1]).drop(columns="Node").to_numpy()
        say(f"{name}: correlations", np.abs(r - np.load(f"{files[2]}_r.npy")).max(), 1e-5)
    elif what == "series":
        say(f"{name}: smoothed region means", relative(table(files[0]).to_numpy(), theirs), 1e-5)
    else:
        mask = nibabel.load(files[0]).get_fdata() > 0
        image = nibabel.load(files[1])
        voxels = np.flatnonzero(mask.ravel())[::997]  # C order, as nilearn's masks
        bold = np.asarray(image.dataobj).reshape(-1, image.shape[3])[voxels].T
        say("denoised voxels", relative(bold, theirs), 1e-4)
        alff = nibabel.load(files[2]).get_fdata()[mask][::20]
        say("ALFF", relative(alff, np.load(f"{files[4]}_alff.npy")), 1e-4)
        reho = np.abs(nibabel.load(files[3]).get_fdata() - nibabel.load(f"{files[4]}_reho.nii.gz").get_fdata())[mask]
        say("ReHo", reho.max(), 1e-4)


if __name__ == "__main__":
    main()
