"""Do ANTs and nitransforms make the same images with the written transforms as boldmill made?
Command: python check_written.py OUT BIDS SUB [RUN], after
boldmill BIDS OUT participant --write-volumes all --output-spaces T1w MNI152NLin2009cAsym --ignore slicetiming
Tools: antspyx 0.6.3, nitransforms 25.1.0, nibabel 5.4.2; whichever is installed is used. Differences are given as a share
of the range, inside: two voxels away from where the tools treat the border of the field of view differently."""
import glob
import sys

import nibabel as nb
import numpy as np
from scipy import ndimage

out, bids, sub = sys.argv[1:4]
a = f"{out}/{sub}/anat/{sub}"
run = sys.argv[4] if len(sys.argv) > 4 else glob.glob(f"{out}/{sub}/func/*_desc-coreg_boldref.nii.gz")[0].split("/")[-1][:-26]
f = f"{out}/{sub}/func/{run}"
std = "MNI152NLin2009cAsym"
to_std, to_t1w = f"{a}_from-T1w_to-{std}_mode-image_xfm.h5", f"{a}_from-{std}_to-T1w_mode-image_xfm.h5"
coreg, hmc = f"{f}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt", f"{f}_from-orig_to-boldref_mode-image_desc-hmc_xfm.txt"
raw = f"{bids}/{sub}/func/{run}_bold.nii.gz"
try:
    import ants
except ImportError:
    ants = None
try:
    import nitransforms as nt
    import h5py
    from nitransforms.resampling import apply as nt_apply
except ImportError:
    nt = None
worst = 0.0


def compare(name, ours, other, inside=None, counts=True):
    global worst
    difference = np.abs(ours - other)
    if inside is not None:
        difference = difference[inside]
    share = difference.max() / np.ptp(ours)
    worst = max(worst, share) if counts else worst
    print(f"{name:58s} max {share:.1e}  mean {difference.mean() / np.ptp(ours):.1e}  of the range, "
          f"r {np.corrcoef(ours.ravel(), other.ravel())[0, 1]:.7f}")


def eroded(mask):
    return ndimage.binary_erosion(mask != 0, iterations=2)


cases = [("probseg to template, linear", f"{a}_space-{std}_label-WM_probseg.nii.gz", f"{a}_label-WM_probseg.nii.gz", "linear", [to_std]),
         ("T1w to template, B-spline", f"{a}_space-{std}_desc-preproc_T1w.nii.gz", f"{a}_desc-preproc_T1w.nii.gz", "bSpline", [to_std]),
         ("boldref to T1w, B-spline", f"{f}_space-T1w_boldref.nii.gz", f"{f}_desc-coreg_boldref.nii.gz", "bSpline", [coreg]),
         ("boldref to template, B-spline", f"{f}_space-{std}_boldref.nii.gz", f"{f}_desc-coreg_boldref.nii.gz", "bSpline", [to_std, coreg])]
for name, ours, source, kind, chain in cases:
    reference = nb.load(ours)
    values = reference.get_fdata()
    inside = eroded(nb.load(ours.split("_label")[0].split("_desc")[0].split("_boldref")[0] + "_desc-brain_mask.nii.gz").get_fdata())
    if ants:
        other = ants.apply_transforms(ants.image_read(ours), ants.image_read(source), chain, interpolator=kind)
        compare("ants: " + name, values, other.numpy(), inside)
    if nt:
        maps = [nt.manip.TransformChain.from_filename(x, fmt="itk") if x.endswith(".h5") else nt.linear.load(x, fmt="itk") for x in chain]
        chained = nt.manip.TransformChain([t for m in maps for t in (m.transforms if hasattr(m, "transforms") else [m])])
        order = 1 if kind == "linear" else 3
        other = nt_apply(chained, nb.load(source), reference=reference, order=order, mode="mirror")
        # nitransforms interpolates displacement fields by cubic splines, ITK and boldmill linearly: only nodes agree.
        compare("nitransforms: " + name, values, np.asanyarray(other.dataobj, dtype=float), inside,
                counts=to_std not in chain)

# One volume, straight from the raw series through head motion, coregistration and the warp.
blocks = open(hmc).read().split("#Transform ")[1:]
for t in (3, len(blocks) // 2):
    one = f"{f}_volume.txt"
    open("volume_xfm.txt", "w").write("#Insight Transform File V1.0\n#Transform 0\n" + blocks[t].split("\n", 1)[1])
    series = nb.load(raw)
    nb.Nifti1Image(series.dataobj[..., t].astype(np.float32), series.affine).to_filename("volume.nii.gz")
    for space, chain in (("T1w", [coreg]), (std, [to_std, coreg])):
        ours = nb.load(f"{f}_space-{space}_desc-preproc_bold.nii.gz")
        mask = f"{f}_space-{space}_desc-brain_mask.nii.gz"
        if ants:
            other = ants.apply_transforms(ants.image_read(mask).clone("float"), ants.image_read("volume.nii.gz"),
                                          [*chain, "volume_xfm.txt"], interpolator="bSpline")
            compare(f"ants: volume {t} to {space}, B-spline", ours.dataobj[..., t].astype(float), other.numpy(),
                    eroded(nb.load(mask).get_fdata()))

if nt:
    for path in (to_std, to_t1w):
        chain = nt.manip.TransformChain.from_filename(path, fmt="itk").transforms
        field = next(t for t in chain if hasattr(t, "_deltas"))
        before = np.eye(4) if chain[0] is field else chain[0].matrix
        after = np.eye(4) if chain[-1] is field else chain[-1].matrix
        with h5py.File(path) as h5:
            groups = [h5[f"TransformGroup/{i}"] for i in (1, 2)]
            stored = next(g for g in groups if b"Displacement" in g["TransformType"][0])
            fixed, vectors = stored["TransformFixedParameters"][()], stored["TransformParameters"][()]
        lps = np.c_[np.r_[fixed[9:].reshape(3, 3) * fixed[6:9], [[0, 0, 0]]], [*fixed[3:6], 1]]
        ras = np.diag([-1, -1, 1, 1]) @ lps
        size = fixed[:3].astype(int)
        index = np.stack(np.meshgrid(*[np.arange(1, n - 1, 5) for n in size], indexing="ij"), -1).reshape(-1, 3)
        u = vectors.reshape(*size[::-1], 3).transpose(2, 1, 0, 3)[tuple(index.T)] * [-1, -1, 1]
        node = index @ ras[:3, :3].T + ras[:3, 3]
        point = (node - before[:3, 3]) @ np.linalg.inv(before[:3, :3]).T
        ours = (node + u) @ after[:3, :3].T + after[:3, 3]
        error = np.linalg.norm(np.concatenate([t for t in [nt.manip.TransformChain(chain).map(point)]]) - ours, axis=1)
        print(f"nitransforms: {len(error)} nodes of {path.split('_from-')[1][:30]}: max {error.max():.1e} mm")
        worst = max(worst, error.max() / 10)  # 0.01 mm

if ants:
    forward, backward = (ants.read_transform(x) for x in (to_std, to_t1w))
    mask = nb.load(f"{a}_space-{std}_desc-brain_mask.nii.gz")
    inside = np.argwhere(eroded(mask.get_fdata()))[::997]
    points = (mask.affine @ np.c_[inside, np.ones(len(inside))].T).T[:, :3] * [-1, -1, 1]
    error = [np.linalg.norm(np.array(ants.apply_ants_transform_to_point(backward, list(
        ants.apply_ants_transform_to_point(forward, list(p))))) - p) for p in points]
    print(f"there and back by ITK over the brain: median {np.median(error):.4f} mm, 99th percentile {np.quantile(error, .99):.4f} mm")
print(f"worst {worst:.1e}")
sys.exit(worst > 1e-3)
