"""The pictures of a shard: all of them, none empty, the brain alone, small, and the same from a full cache."""
import base64
import glob
import gzip
import json
import os

import h5py
import nibabel as nb
import numpy as np
from support import FAST, Scratch, check, run, same

OF_RUN = {"coregistration", "masks", "signal"}


def look_at(group):
    frames = group["frames"][()]
    check(frames.dtype == np.uint8 and frames.ndim == 3, f"{group.name}: {frames.dtype} {frames.shape}")
    check([d[0].name.split("/")[-1] for d in group["frames"].dims] == ["frame", "y", "x"], f"{group.name}: dimensions")
    check(len(group["plane"]) == 21, f"{group.name}: {len(group['plane'])} slices")
    tiles = zip(group["tile_top"][()], group["tile_height"][()], group["tile_left"][()], group["tile_width"][()])
    inside = np.zeros(frames.shape[1:], bool)
    for top, height, left, width in tiles:
        inside[top:top + height, left:left + width] = True
        for frame in frames[:, top:top + height, left:left + width]:
            shown = (frame > 0).mean()
            check(0.1 < shown < 0.95, f"{group.name}: {shown:.2f} of a slice is shown")
            check(len(np.unique(frame)) > 8, f"{group.name}: a slice without contrast")
    check(frames[:, ~inside].max(initial=0) == 0, f"{group.name}: bytes between the slices")
    check((group["low"][()] < group["high"][()]).all(), f"{group.name}: windows")
    for name, layer in zip(group["layer"][()], group["layers"][()]):
        # A noise region may be so small that no slice meets it.
        check(layer.max() == 1 or name.startswith(b"noise_"), f"{group.name}: {name} without a line")
        check(layer.mean() < 0.2, f"{group.name}: a contour that fills {layer.mean():.2f}")


def volumes_in(folder):
    """Of the one page's own script, and of the template's beside it, which it names."""
    found = []
    [own] = glob.glob(f"{folder}/figures/sub-*_volumes.js")
    for name, variable in ((own, "boldmillVolumes"), (f"{folder}/figures/template_volumes.js", "boldmillTemplate")):
        check(os.path.getsize(name) < 3e6, f"{os.path.getsize(name)} bytes for the viewer")
        with open(name) as f:
            first, *more = f.read().splitlines()
        check(first.startswith(f"globalThis.{variable}=") and first.endswith(";"), first[:80])
        check(more == (['globalThis.boldmillTemplateFile="./figures/template_volumes.js";'] if name == own else []), str(more))
        found += json.loads(first[first.index("=") + 1:-1])
    return found


def the_viewer_shows_the_brain(folder, shard):
    """Each volume reads as NIfTI and is what the shard holds: the brain alone, all on one grid."""
    if not glob.glob(f"{folder}/figures/*_volumes.js"):
        print("built without the npm packages: no viewer")
        return
    with h5py.File(shard) as f:
        stored = {name: group for owner in f["volumes"].values() for name, group in owner.items()}
        found = {one["name"]: one for one in volumes_in(folder)}
        check({"t1w", "bold", "template", "circuits"} <= set(found), str(set(found)))
        template = None
        for name, one in found.items():
            image = nb.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(one["data"])))
            values = np.asarray(image.dataobj)
            key = "grey" if "grey" in stored[name] else "region"
            check(np.array_equal(values.transpose(2, 1, 0), stored[name][key][()]), f"{name}: voxels")
            check(np.allclose(image.affine, stored[name]["affine"][()]), f"{name}: affine")
            check(nb.aff2axcodes(image.affine) == ("R", "A", "S"), f"{name}: {nb.aff2axcodes(image.affine)}")
            if key == "region":
                check(len(one["regions"]) >= values.max() > 1, f"{name}: {values.max()} of {len(one['regions'])} regions")
                continue
            inside = values > 0
            check(0.2 < inside.mean() < 0.75, f"{name}: {inside.mean():.2f} of the box is shown")
            template = inside if name == "template" else template
        for name in ("t1w", "bold"):
            inside = stored[name]["grey"][()].transpose(2, 1, 0) > 0
            dice = 2 * (inside & template).sum() / (inside.sum() + template.sum())
            print(f"{name} in the viewer: Dice {dice:.3f} with the template's brain")
            check(dice > 0.85, f"{name}: Dice {dice:.3f} with the template's brain")


def without_pictures(scratch, bids, shard):
    """report.figures=false leaves out the pictures and nothing else."""
    out = scratch.path("plain")
    run(bids, out, "participant", "--progress", "none", *FAST, "report.figures=false", expect=0)
    [plain] = glob.glob(f"{out}/sub-*/**/sub-*.h5", recursive=True)
    with h5py.File(shard) as a, h5py.File(plain) as b:
        check("figures" not in b and "volumes" not in b and "carpet" in b, str(list(b)))
        check("mosaic" not in {s.decode() for s in b["provenance/stages/name"][()]}, "provenance")
        names = []
        a.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        compared = 0
        for name in names:
            if name.split("/")[0] in ("figures", "volumes", "provenance"):
                continue
            check(name in b and a[name][()].tobytes() == b[name][()].tobytes() if a[name].dtype != object else True, name)
            compared += 1
        check(compared > 50, f"{compared} datasets compared")
    run("report", plain, "--out", scratch.path("plain_pages"), expect=0)
    with open(glob.glob(f"{scratch.path('plain_pages')}/sub-*.html")[0]) as f:
        page = f.read()
    check('<figure class="slices"' not in page and "report.figures" in page, "the page without pictures")


with Scratch() as scratch:
    bids = scratch.simulate("bids", 1)
    out = scratch.path("out")
    run(bids, out, "participant", "--progress", "none", *FAST, expect=0)
    [shard] = glob.glob(f"{out}/sub-*/**/sub-*.h5", recursive=True)
    with h5py.File(shard) as f:
        check(set(f["figures/anat"]) == {"t1w", "normalization"}, str(list(f["figures/anat"])))
        [run_id] = set(f["figures"]) - {"anat"}
        check(OF_RUN <= set(f["figures"][run_id]), str(list(f["figures"][run_id])))
        stored, shown = 0, []
        for owner in f["figures"].values():
            for group in owner.values():
                look_at(group)
                shown.append(group.name)
                stored += sum(d.id.get_storage_size() for d in group.values())
        check(stored <= 1.5e6, f"{stored} bytes of pictures, expected 1.5 MB at most")
        print(f"{stored} bytes of pictures")
        check("mosaic" in {s.decode() for s in f["provenance/stages/name"][()]}, "provenance")

    # The page of the participant shows them, without anything from elsewhere, and the same every time.
    pages = []
    for folder in ("pages", "again"):
        run("report", shard, "--out", scratch.path(folder), expect=0)
        with open(glob.glob(f"{scratch.path(folder)}/sub-*.html")[0]) as f:
            pages.append(f.read())
    check(pages[0] == pages[1], "the page differs")
    check(pages[0].count('<figure class="slices"') == len(shown), f"{pages[0].count('<figure class=')} of {len(shown)}")
    check('<figure class="carpet"' in pages[0], "no carpet")
    check(len(pages[0]) < 6e6, f"{len(pages[0])} bytes of page")

    the_viewer_shows_the_brain(scratch.path("pages"), shard)
    without_pictures(scratch, bids, shard)

    # The estimates are in the cache, the images are not read again.
    again = scratch.path("first.h5")
    os.rename(shard, again)
    run(bids, out, "participant", "--progress", "none", *FAST, expect=0)
    same(again, shard)
print("ok")
