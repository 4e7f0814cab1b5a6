"""The machine under the benchmarks: building, pinning, CPU time, memory, and what it is."""

import atexit
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"

SERVER_CORE = 0
CLIENT_CORE = 1
NICE = 0          # of what is measured


def install(*lists):
    """Installs what is missing of these lists of deploy/packages; whoever needs a package that could not be
    installed says so later."""
    names = " ".join(f'"${{{name}[@]}}"' for name in lists)
    subprocess.run(["bash", "-c", f'. deploy/packages; install_packages {names}'], cwd=ROOT, stdout=sys.stderr)


def build(*targets, jobs=None, optional=()):
    """Builds release targets, as the preset says what that is, and returns the build folder. Optional are those
    that only some machines have the packages for."""
    def cmake(*arguments):
        done = subprocess.run(["cmake", *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f"{done.stdout}bench: the build failed")
        return done.stdout
    if not shutil.which("cmake"):
        sys.exit("bench: cmake is missing; deploy/packages has what the build needs")
    # Whatever was chosen in that folder before does not count.
    cmake("--fresh", "--preset", "release", "-B", BUILD, "-DCLUSTERDNS_BENCH=ON")
    known = set(re.findall(r"^(\w+): phony$", cmake("--build", BUILD, "--target", "help"), re.M))
    for target in targets:
        if target not in known:
            sys.exit(f"bench: packages that {target} needs are missing; deploy/packages has them")
    cmake("--build", BUILD, "-j", jobs or os.cpu_count(), "--target", *targets, *known.intersection(optional))
    return BUILD


def threads(pid):
    """All threads of a process and of its children."""
    result = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        result.append(task)
        try:
            for child in (task / "children").read_text().split():
                result += threads(int(child))
        except FileNotFoundError:
            pass
    return result


def cpu_ns(pid):
    """Time on a core of a process and its children, from the scheduler: exact, unlike clock ticks."""
    total = 0
    for task in threads(pid):
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


def processes(pid):
    return sorted({int(task.parts[2]) for task in threads(pid)})


def status_kib(pid, field):
    """A field of /proc/PID/status, summed over the process and its children."""
    total = 0
    for each in processes(pid):
        text = pathlib.Path(f"/proc/{each}/status").read_text()
        match = re.search(rf"^{field}:\s+(\d+) kB", text, re.M)
        total += int(match[1]) if match else 0
    return total


def rss_mib(pid):
    return status_kib(pid, "VmRSS") / 1024


def priority():
    return ["nice", "-n", str(NICE)] if NICE else []


def session_priority(nice):
    """Where the kernel groups processes by session (autogroup), niceness counts only within the session: this
    gives the session of this program the niceness too, until the program ends."""
    path = pathlib.Path("/proc/self/autogroup")
    try:
        before = path.read_text().split()[-1]
        path.write_text(str(nice))
    except OSError:
        return
    atexit.register(path.write_text, before)


def pin(core):
    return [*priority(), "taskset", "-c", str(core % os.cpu_count())]


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return (done.stdout + done.stderr).strip()
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""


def compiler():
    return output_of("c++", "--version").splitlines()[0]


def description():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    return [f"{os.cpu_count()} cores, {cpu[1] if cpu else platform.machine()}",
            f"{int(memory[1]) // 1024} MiB of memory", f"{system[1] if system else ''}, Linux {platform.release()}",
            compiler()]
