"""`report` on a made-up study: same bytes every time, and the pages in a real browser from disk."""
import filecmp
import os
import shutil
import subprocess
import sys

from support import SOURCE, Scratch, check, run

WEB = os.path.join(SOURCE, "pipeline", "report", "web")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pages(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".html"))


def rebuilds_the_same_bytes(scratch, study):
    run("report", study, expect=0)
    kept = scratch.path("kept")
    os.makedirs(kept)
    for name in pages(study):
        shutil.move(os.path.join(study, name), kept)
    run("report", study, expect=0)
    check(pages(study) == pages(kept) and len(pages(study)) == 25, f"pages: {pages(study)}")
    for name in pages(study):
        check(filecmp.cmp(os.path.join(study, name), os.path.join(kept, name), shallow=False), f"{name} differs")
        check(os.path.getsize(os.path.join(study, name)) <= 6e6, f"{name} is larger than 6 MB")


def a_shard_alone(scratch, study):
    out = scratch.path("alone")
    run("report", os.path.join(study, "sub-0002", "sub-0002.h5"), "--out", out, expect=0)
    check(pages(out) == ["sub-0002.html"], str(os.listdir(out)))
    code, text = run("report", scratch.path("alone"))
    check(code == 2 and "neither cohort.h5 nor shards" in text, text)


def in_the_browser(study):
    """True when it ran."""
    browser = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if not (browser and shutil.which("node") and os.path.isdir(os.path.join(WEB, "node_modules", "playwright-core"))):
        print("SKIPPED: needs chromium, node and the npm packages of pipeline/report/web (scripts/setup --tests)")
        return False
    script = os.path.join(WEB, "browser_check.mjs")
    done = subprocess.run(["node", script, study, browser], capture_output=True, text=True, timeout=600)
    print(done.stdout)
    check(done.returncode == 0, done.stdout + done.stderr)
    return True


with Scratch() as scratch:
    study = scratch.path("study")
    subprocess.run([os.environ["BOLDMILL_EXAMPLE_STUDY"], study, "24"], check=True)
    rebuilds_the_same_bytes(scratch, study)
    a_shard_alone(scratch, study)
    ran = in_the_browser(study)
sys.exit(0 if ran else 77)
