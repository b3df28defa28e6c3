"""What the rows of the preprocessing table share: paths, timing, simulated people, the rivals' environment."""
import glob
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RIVALS = ["antspyx==0.6.3", "dipy==1.12.1", "nibabel==5.4.2", "scipy==1.15.3", "h5py"]
COLIN = "/usr/share/mricron/templates/ch2bet.nii.gz"  # the simulator's anatomy
sys.path.insert(0, f"{ROOT}/tests/support")


def timed(command, repetitions=1):
    """Best wall time in s, its CPU time, peak memory in MB, output of the last call."""
    best = (1e9, 0.0, 0.0, "")
    for _ in range(repetitions):
        begun = time.monotonic()
        process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        if os.waitstatus_to_exitcode(status) not in (0, 1):
            sys.exit(f"{' '.join(map(str, command))}\n{text}")
        if wall < best[0]:
            best = (wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3, text)
    return best


def row(what, measured, target):
    print(f"| {what} | {measured} | {target} |", flush=True)


def speed(result):
    return f"{result[0]:.2f} s wall, {result[1]:.2f} s CPU, {result[2]:.0f} MB"


class Setup:
    """Options of the command line and everything that is made once."""

    def __init__(self, options):
        self.o = options
        self.template = f"{ROOT}/share/boldmill/templates/mni152.nii.gz"
        os.makedirs(options.folder, exist_ok=True)

    def path(self, *parts):
        return os.path.join(self.o.folder, *parts)

    def stage(self, *arguments, repetitions=1):
        return timed([self.o.program, "stage", *arguments], repetitions)

    def simulated(self, name, people, *options):
        folder = self.path(name)
        if not os.path.exists(f"{folder}/dataset_description.json"):
            timed([self.o.program, "simulate", folder, "--participants", people, "--tasks", "rest", "--random-seed", 5, *options])
        return folder

    def real(self, pattern):
        """A file of the shared data, or None."""
        found = sorted(glob.glob(f"{self.o.data}/bids/{pattern}"))
        return found[0] if found else None

    def forrest(self):
        t1w = self.real("studyforrest-sub02/sub-02/anat/*_T1w.nii.gz")
        bold = self.real("studyforrest-sub02/sub-02/func/*run-1_bold.nii.gz")
        if t1w is None or bold is None:
            print(f"\nno studyforrest-sub02 in {self.o.data}: what is measured on it was left out", flush=True)
            return None, None
        return t1w, bold

    def corrected(self, t1w, name):
        """Bias-corrected T1w and its brain mask."""
        out, mask = self.path(name + "_t1w.nii.gz"), self.path(name + "_mask.nii.gz")
        if not os.path.exists(out):
            self.stage("bias_field", t1w, "--out", out)
        if not os.path.exists(mask):
            self.stage("brain_mask", out, "--template", self.template, "--out", mask)
        return out, mask

    def rivals_python(self):
        """Python of an environment of its own with the rivals; None without --rivals."""
        if not self.o.rivals:
            return None
        if self.o.rivals_python:
            return self.o.rivals_python
        python = self.path("rivals/bin/python")
        if not os.path.exists(self.path("rivals/ready")):
            subprocess.run([sys.executable, "-m", "venv", self.path("rivals")], check=True)
            subprocess.run([python, "-m", "pip", "-q", "install", *RIVALS], check=True)
            open(self.path("rivals/ready"), "w").close()
        return python

    def rival(self, script, *arguments):
        python = self.rivals_python()
        if python is None:
            return None
        done = subprocess.run([python, f"{HERE}/{script}", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{script}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout.strip().split("\n")[-1])
