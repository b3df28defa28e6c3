"""The pictures of a shard: all of them, none empty, the brain alone, small, and the same from a full cache."""
import glob
import os

import h5py
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

    # The estimates are in the cache, the images are not read again.
    again = scratch.path("first.h5")
    os.rename(shard, again)
    run(bids, out, "participant", "--progress", "none", *FAST, expect=0)
    same(again, shard)
print("ok")
