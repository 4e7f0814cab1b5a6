#!/usr/bin/env python3
"""Writes docs/images/terminal.svg: a picture of a terminal, from what the commands below print now.

Usage: docs/images/terminal.py [--program build/release/clusterdns]

The picture has a background of its own, so that it can be read on light and on dark pages."""

import argparse
import html
import os
import pathlib
import re
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICTURE = pathlib.Path(__file__).resolve().parent / "terminal.svg"
START_SECONDS = 20
SERVE = "clusterdns serve --manifests deploy/examples"
COMMANDS = [
    "dig @127.0.0.1 -p 1053 +short python-www.default.svc.cluster.local",
    "dig @127.0.0.1 -p 1053 +short -x 10.96.0.10",
    "clusterdns query kubernetes.default A --namespace staging --server 127.0.0.1:1053",
    r"printf '. {\n  kubernets\n}\n' | clusterdns check stdin",
]

BACKGROUND, BAR, TEXT, PROMPT, COMMAND = "#0d1117", "#21262d", "#c9d1d9", "#3fb950", "#ffffff"
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
SIZE, LINE, LEFT, TOP, COLUMN = 13, 19, 18, 46, 7.85


def start(program):
    """The server, what it said first, and its port."""
    log = tempfile.TemporaryFile("w+")
    server = subprocess.Popen([program, *SERVE.split()[1:], "--listen", "127.0.0.1:0", "--no-forward"],
                              cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        log.seek(0)
        said = log.read()
        port = re.search(r"Listening on 127\.0\.0\.1:(\d+) .*\n", said)
        if port:
            return server, said[:port.end()].splitlines(), port[1]
        time.sleep(0.02)
    server.kill()
    raise SystemExit(f"docs/images/terminal.py: {program} does not serve")


def session(program):
    """Lines of the terminal: (is it a command, text)."""
    server, said, port = start(program)
    try:
        lines = [(True, SERVE + " &")]
        lines += [(False, line.replace(f":{port}", ":1053")) for line in said if "Listening" in line]
        for command in COMMANDS:
            run = command.replace("-p 1053", f"-p {port}").replace(":1053", f":{port}")
            done = subprocess.run(["bash", "-c", run], cwd=ROOT, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False,
                                  env={**os.environ, "LC_ALL": "C", "HOME": "/nonexistent",
                                       "PATH": f"{program.parent}:{os.environ['PATH']}"})
            lines += [(False, ""), (True, command)]
            lines += [(False, line.replace(f":{port}", ":1053").rstrip())
                      for line in done.stdout.splitlines()]
        return lines
    finally:
        server.terminate()
        server.wait()


def svg(lines):
    width = round(2 * LEFT + COLUMN * max(len(text) + 2 * is_command for is_command, text in lines))
    height = TOP + LINE * len(lines) + 6
    spoken = html.escape("\n".join(("$ " if is_command else "") + text for is_command, text in lines))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
           f'height="{height}" role="img" font-family="{FONT}" font-size="{SIZE}">',
           f"<title>clusterdns in a terminal</title><desc>{spoken}</desc>",
           f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}" stroke="{BAR}"/>',
           f'<path d="M0 8a8 8 0 0 1 8-8h{width - 16}a8 8 0 0 1 8 8v18H0z" fill="{BAR}"/>']
    out += [f'<circle cx="{18 + 18 * i}" cy="13" r="5" fill="{color}"/>'
            for i, color in enumerate(["#f85149", "#d29922", "#3fb950"])]
    for i, (is_command, text) in enumerate(lines):
        said = html.escape(text)
        if is_command:
            said = f'<tspan fill="{PROMPT}">$</tspan><tspan fill="{COMMAND}"> {said}</tspan>'
        if said:
            out.append(f'<text x="{LEFT}" y="{TOP + LINE * i}" fill="{TEXT}" '
                       f'xml:space="preserve">{said}</text>')
    return "\n".join(out) + "\n</svg>\n"


def main():
    parser = argparse.ArgumentParser(description="Writes docs/images/terminal.svg.")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/clusterdns")
    options = parser.parse_args()
    PICTURE.write_text(svg(session(options.program.resolve())), encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
