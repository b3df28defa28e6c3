#!/usr/bin/env python3
"""Pages of a made-up cohort: how long they take to build and how large they are, and how fast the cohort page is in a browser.

    benchmarks/report/pages.py --build build/release [--people 1000] [--browser /usr/bin/chromium]
"""
import argparse
import os
import shutil
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--build", default="build/release")
parser.add_argument("--people", type=int, default=1000)
parser.add_argument("--browser", default=shutil.which("chromium"))
options = parser.parse_args()

scratch = tempfile.mkdtemp(prefix="boldmill-pages-")
try:
    subprocess.run([f"{options.build}/tests/example_study", scratch, str(options.people)], check=True)
    begin = time.monotonic()
    subprocess.run([f"{options.build}/pipeline/boldmill", "report", scratch], check=True)
    wall = time.monotonic() - begin
    size = {name: os.path.getsize(os.path.join(scratch, name)) for name in os.listdir(scratch) if name.endswith(".html")}
    index = size.pop("index.html")
    print(f"{options.people} people: all pages in {wall:.1f} s, {wall / options.people:.3f} s a person")
    print(f"cohort page {index / 1e6:.2f} MB, a participant's {sum(size.values()) / len(size) / 1e6:.2f} MB (largest {max(size.values()) / 1e6:.2f})")
    if options.browser:
        web = os.path.join(os.path.dirname(__file__), "..", "..", "pipeline", "report", "web", "browser_speed.mjs")
        subprocess.run(["node", web, scratch, options.browser], check=True)
    else:
        print("no browser: speed of the cohort page not measured")
finally:
    shutil.rmtree(scratch, ignore_errors=True)
