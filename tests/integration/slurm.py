"""A Slurm of its own on this machine: a controller and a few slurmd with node names of their own, in a scratch folder, stopped at
the end. Needs root (slurmd does) and Debian's slurmctld, slurmd, slurm-client and munge."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

# No state to come after these. A job that was preempted, requeued and then ended by itself with code 0 may be called TIMEOUT
# (Slurm 22.05 remembers the preemption): what it made is compared, not its name.
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"}
TOOLS = ["slurmctld", "slurmd", "sbatch", "squeue", "sinfo", "scontrol", "munged"]


def why_not():
    """Why it cannot start here, or ""."""
    missing = [tool for tool in TOOLS if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin") is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return "" if os.geteuid() == 0 else "slurmd needs root"


def environment_of(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            return dict(item.split(b"=", 1) for item in f.read().split(b"\0") if b"=" in item)
    except OSError:
        return {}


class Slurm:
    def __init__(self, nodes=3, cpus=2, first_port=17600):
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self.folder = tempfile.mkdtemp(prefix="boldmill-slurm-")
        self.cpus, self.port = min(cpus, os.cpu_count()), first_port
        # A node that says it has more than the machine is not let in; here every node says it has all.
        self.memory_mb = int(0.9e-6 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1.05)
        self.env = dict(os.environ, SLURM_CONF=self.path("slurm.conf"), PATH=os.environ["PATH"] + ":/usr/sbin")

    def path(self, name):
        return os.path.join(self.folder, name)

    def call(self, *command, check=True):
        done = subprocess.run(list(map(str, command)), env=self.env, capture_output=True, text=True, timeout=60)
        if check and done.returncode != 0:
            raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def __enter__(self):
        for name in ("state", "spool", "log"):
            os.mkdir(self.path(name))
        with open(self.path("munge.key"), "wb") as f:
            f.write(os.urandom(1024))
        os.chmod(self.path("munge.key"), 0o400)
        host = os.uname().nodename.split(".")[0]
        last = self.port + len(self.nodes)
        names = ",".join(self.nodes)
        with open(self.path("slurm.conf"), "w") as f:
            f.write(f"""ClusterName=boldmill
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={self.port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={self.path('munge.sock')}
CryptoType=crypto/munge
StateSaveLocation={self.path('state')}
SlurmdSpoolDir={self.path('spool')}/%n
SlurmdLogFile={self.path('log')}/%n.log
SlurmdPidFile={self.path('%n.pid')}
SlurmctldLogFile={self.path('log')}/slurmctld.log
SlurmctldPidFile={self.path('slurmctld.pid')}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=30
MinJobAge=3600
MaxArraySize=1001
SchedulerParameters=bf_interval=1,sched_interval=1,requeue_delay=0
PreemptMode=REQUEUE
PreemptType=preempt/partition_prio
NodeName={names} NodeHostname={host} NodeAddr=127.0.0.1 Port={self.port + 1}-{last} CPUs={self.cpus} RealMemory={self.memory_mb}
PartitionName=low Nodes={names} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes={names} MaxTime=INFINITE State=UP PriorityTier=10
""".replace("NodeName=n1,n2,n3 ", "NodeName=n[1-3] ").replace("Nodes=n1,n2,n3 ", "Nodes=n[1-3] "))
        self.call("munged", f"--key-file={self.path('munge.key')}", f"--socket={self.path('munge.sock')}",
                  f"--pid-file={self.path('munged.pid')}", f"--log-file={self.path('munged.log')}",
                  f"--seed-file={self.path('munge.seed')}", "--force")
        self.call("slurmctld", "-f", self.path("slurm.conf"))
        for node in self.nodes:
            self.start_node(node)
        for _ in range(60):
            if self.call("sinfo", "-h", "-p", "low", "-t", "idle", "-o", "%D", check=False).strip() == str(len(self.nodes)):
                return self
            time.sleep(0.5)
        text = self.call("sinfo", check=False)
        self.__exit__()
        raise RuntimeError(f"the nodes did not come up\n{text}")

    def start_node(self, node):
        self.call("slurmd", "-f", self.path("slurm.conf"), "-N", node)

    def _pids(self, wanted):
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and int(pid) != os.getpid() and wanted(int(pid))]

    def kill_node(self, node):
        """What a power cut does to a node: its slurmd and all that ran under it are gone at once."""
        with open(self.path(f"{node}.pid")) as f:
            daemon = int(f.read())
        os.kill(daemon, signal.SIGKILL)
        mine = self.folder.encode()

        def of_node(pid):
            env = environment_of(pid)
            return env.get(b"SLURMD_NODENAME") == node.encode() and env.get(b"SLURM_CONF", mine).startswith(mine)

        def is_step(pid):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    return b"slurmstepd" in f.read()
            except OSError:
                return False
        jobs = self._pids(of_node)
        for pid in jobs:
            try:
                with open(f"/proc/{pid}/stat") as f:
                    parent = int(f.read().rpartition(")")[2].split()[1])
                if is_step(parent):
                    os.kill(parent, signal.SIGKILL)
                os.kill(pid, signal.SIGKILL)
            except (OSError, ProcessLookupError):
                pass
        return len(jobs)

    def states(self):
        """State of every job and array task that the controller remembers, pending tasks of an array as one."""
        out = self.call("squeue", "-h", "-t", "all", "-o", "%i %T", check=False)
        return dict(line.split() for line in out.splitlines())

    def wait(self, seconds, done):
        """Until `done(states)`; false when it took longer."""
        until = time.time() + seconds
        while time.time() < until:
            if done(self.states()):
                return True
            time.sleep(0.5)
        return False

    def __exit__(self, *_):
        subprocess.run(["scancel", "-u", "root"], env=self.env, capture_output=True, timeout=30)
        time.sleep(0.5)
        mine = self.folder.encode()

        def ours(pid):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    line = f.read()
            except OSError:
                return False
            return mine in line or environment_of(pid).get(b"SLURM_CONF", b"").startswith(mine)
        for sent in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._pids(ours):
                try:
                    os.kill(pid, sent)
                except ProcessLookupError:
                    pass
            time.sleep(1.0)
        shutil.rmtree(self.folder, ignore_errors=True)
