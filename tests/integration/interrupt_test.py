"""SIGTERM and SIGINT during work end the run within 5 s with code 3, and the next run continues."""
import signal
import subprocess
import time

from support import FAST, PROGRAM, Scratch, check, leftovers, run

with Scratch() as scratch:
    bids = scratch.simulate("bids", 3)
    out = scratch.path("out")
    for number, delay in ((signal.SIGTERM, 0.7), (signal.SIGINT, 2.0), (signal.SIGTERM, 4.0)):
        process = subprocess.Popen([PROGRAM, bids, out, "all", "--nprocs", "2", "--progress", "none", *FAST],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(delay)
        running = process.poll() is None
        asked = time.time()
        process.send_signal(number)
        text, _ = process.communicate(timeout=60)
        waited = time.time() - asked
        if running:
            check(process.returncode == 3, f"code {process.returncode}, expected 3\n{text}")
            check(waited < 5.0, f"took {waited:.1f} s to stop, expected less than 5 s")
        print(f"signal {number} after {delay} s: stopped in {waited:.2f} s with {process.returncode}")
        check(not leftovers(out), f"leftovers: {leftovers(out)}")
    code, text = run(bids, out, "all", "--progress", "none", *FAST)
    check(code in (0, 1), text)
print("ok")
