"""SIGTERM and SIGINT during work end the run with code 3 after at most 5 s of processor time, and the next run continues.
Wall time is printed: on a machine with other work it says how busy that is, not how long the program went on."""
import os
import signal
import subprocess
import time

from support import FAST, PROGRAM, Scratch, check, leftovers, run



def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


with Scratch() as scratch:
    bids = scratch.simulate("bids", 3)
    out = scratch.path("out")
    for number, delay in ((signal.SIGTERM, 0.7), (signal.SIGINT, 2.0), (signal.SIGTERM, 4.0)):
        process = subprocess.Popen([PROGRAM, bids, out, "all", "--nprocs", "2", "--progress", "none", *FAST],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        check(process.poll() is None, f"it ended within {delay} s: nothing was interrupted")
        asked, used = time.time(), cpu_seconds(process.pid)
        process.send_signal(number)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        worked = usage.ru_utime + usage.ru_stime - used
        print(f"signal {number} after {delay} s: {worked:.2f} s of processor time, {time.time() - asked:.2f} s, code {process.returncode}")
        check(process.returncode == 3, f"code {process.returncode}, expected 3")
        check(worked < 5.0, f"worked on for {worked:.1f} s, expected less than 5 s")
        check(not leftovers(out), f"leftovers: {leftovers(out)}")
    code, text = run(bids, out, "all", "--progress", "none", *FAST)
    check(code in (0, 1), text)
print("ok")
