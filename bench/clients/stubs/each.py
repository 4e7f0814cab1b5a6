"""Runs a program that looks one name up, for each name, and prints a line as getaddrinfo.c does."""
import ipaddress
import re
import subprocess
import sys
import time


def is_address(word):
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def of_busybox(output):
    """Behind "Name:"; what stands before it is the server."""
    return [word for line in output.splitlines() if line.startswith("Address") for word in line.split()[1:]
            if is_address(word)]


PROGRAMS = {
    "busybox": (lambda name: ["busybox", "nslookup", name], of_busybox),
    "dig": (lambda name: ["dig", "+short", name, "A", name, "AAAA"],
            lambda output: [line for line in output.splitlines() if is_address(line)]),
}

command, addresses_in = PROGRAMS[sys.argv[1]]
for name in sys.argv[2:]:
    begin = time.monotonic()
    done = subprocess.run(command(name), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    ms = (time.monotonic() - begin) * 1e3
    found = addresses_in(done.stdout)
    # Why not, in a line.
    words = re.sub(r"\s+", " ", done.stdout).strip()[-120:]
    print(f"{name}\t{'ok' if found else words or 'nothing'}\t{' '.join(found)}\t{ms:.3f}", flush=True)
