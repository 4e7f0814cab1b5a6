"""Ports for servers that tests and benchmarks start."""
import random
import socket

TAKEN = []


def end_of_range():
    """The first port that the kernel gives to whoever asks for any (ip(7))."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return max(int(file.read().split()[0]), 12_000)
    except OSError:
        return 32_768


def free_port():
    """A port that is free for both protocols. Neither the kernel gives it to somebody else, nor this function to
    another process, before this one ends; tests/support/socket.cc does the same."""
    while True:
        port = random.randrange(10_000, end_of_range())
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            mark.bind(f"\0clusterdns-test-port-{port}")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        TAKEN.append(mark)
        return port
