#!/usr/bin/env python3
"""Writes a container image as one tar file, with nothing but Python's standard library.

The file is an OCI image layout (index.json, blobs/) and carries Docker's manifest.json beside it, so
that `ctr images import`, `kind load image-archive`, `docker load`, `podman load` and `skopeo` all read
it. The same input gives the same octets: times are fixed, entries are sorted, owners are numbers.

The image is what CoreDNS's is to a Deployment, and what node-cache's is to a DaemonSet: the program at
/coredns and /node-cache, the user 65532, the file capabilities that let it bind port 53 and, in
containers that are given NET_ADMIN, set up the node.
"""
import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import struct
import sys
import tarfile

# The image is built once and read by every node.
COMPRESSION_LEVEL = 9

USER = 65532
PROGRAM = "clusterdns"
# CoreDNS's and NodeLocal DNSCache's names for the program: manifests that give a command give these.
ALIAS = "coredns"
ALIASES = (ALIAS, "node-cache")

CAP_NET_BIND_SERVICE = 10
CAP_NET_ADMIN = 12
# struct vfs_ns_cap_data without the root id (linux/capability.h), little endian.
VFS_CAP_REVISION_2 = 0x02000000

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"

# e_machine of an ELF header, for Go's names of architectures.
MACHINES = {"amd64": 62, "arm64": 183}


def file_capability():
    """security.capability: NET_BIND_SERVICE and NET_ADMIN, permitted. Not effective: the kernel would
    not start the program in a container that has one of them only. It makes those that it is given
    effective itself (app/node/capabilities.h). All octets are ASCII, which a pax header takes as they
    are."""
    permitted = 1 << CAP_NET_BIND_SERVICE | 1 << CAP_NET_ADMIN
    return struct.pack("<5I", VFS_CAP_REVISION_2, permitted, 0, 0, 0)


def check_program(program, architecture):
    """A program that the image cannot run is found here and not on a node."""
    if program[:4] != b"\x7fELF":
        raise SystemExit("oci_archive: the program is no ELF file")
    machine, = struct.unpack_from("<H", program, 18)
    if machine != MACHINES[architecture]:
        raise SystemExit(f"oci_archive: the program is not for {architecture} (ELF machine {machine})")
    # Program headers: PT_INTERP (3) names a loader, and the image has none.
    offset, = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    for number in range(count):
        kind, = struct.unpack_from("<I", program, offset + number * size)
        if kind == 3:
            raise SystemExit("oci_archive: the program is not static, it wants a loader; "
                             "build it with CLUSTERDNS_STATIC, as the preset release does")


class Tar:
    """A tar of entries with one time, the owner root, and pax headers only where needed."""

    def __init__(self, time):
        self.time = time
        self.directories = set()
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT)

    def _entry(self, name, mode):
        entry = tarfile.TarInfo(name)
        entry.mode = mode
        entry.mtime = self.time
        return entry

    def directory(self, name, mode=0o755):
        """Once; again is nothing."""
        if name in self.directories:
            return
        self.directories.add(name)
        entry = self._entry(name, mode)
        entry.type = tarfile.DIRTYPE
        self.tar.addfile(entry)

    def link(self, name, target):
        entry = self._entry(name, 0o777)
        entry.type = tarfile.SYMTYPE
        entry.linkname = target
        self.tar.addfile(entry)

    def file(self, name, content, mode=0o644, attributes=None):
        entry = self._entry(name, mode)
        entry.size = len(content)
        for attribute, value in (attributes or {}).items():
            entry.pax_headers["SCHILY.xattr." + attribute] = value.decode("ascii")
        self.tar.addfile(entry, io.BytesIO(content))

    def octets(self):
        self.tar.close()
        return self.buffer.getvalue()


def layer(program, certificates, packages, time):
    tar = Tar(time)
    tar.file(PROGRAM, program, 0o755, {"security.capability": file_capability()})
    for alias in ALIASES:
        tar.link(alias, PROGRAM)
    tar.directory("etc")
    # What runtimes and programs look the user up in; there is no shell and no password.
    tar.file("etc/group", f"root:x:0:\nnonroot:x:{USER}:\n".encode())
    tar.file("etc/passwd", "root:x:0:0:root:/:/none\n"
             f"nonroot:x:{USER}:{USER}:nonroot:/:/none\n".encode())
    # node-cache's pid file is there.
    tar.directory("tmp", 0o1777)
    if certificates:
        tar.directory("etc/ssl")
        tar.directory("etc/ssl/certs")
        tar.file("etc/ssl/certs/ca-certificates.crt", certificates)
        # Where Debian's OpenSSL looks.
        for folder in ("usr", "usr/lib", "usr/lib/ssl"):
            tar.directory(folder)
        tar.link("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt")
    if packages:
        for folder in ("usr", "usr/share", "usr/share/doc"):
            tar.directory(folder)
        for name, (_, copyright_text) in sorted(packages.items()):
            tar.directory(f"usr/share/doc/{name}")
            tar.file(f"usr/share/doc/{name}/copyright", copyright_text)
        for folder in ("var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/status.d"):
            tar.directory(folder)
        for name, (status, _) in sorted(packages.items()):
            tar.file(f"var/lib/dpkg/status.d/{name}", status)
    return tar.octets()


def read_packages(folder):
    """What is linked in, as a scanner of images looks for it: NAME/status, a paragraph of dpkg's
    status file, and NAME/copyright. None without a folder."""
    if not folder:
        return {}
    return {name: (read(os.path.join(folder, name, "status")),
                   read(os.path.join(folder, name, "copyright")))
            for name in os.listdir(folder)}


def as_json(value):
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def iso_time(time):
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def image(options, program, certificates, packages):
    """The archive's octets and the digest of its manifest."""
    time = options.time
    tar = layer(program, certificates, packages, time)
    # No file name and no time in the header, so that only the content counts.
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=packed,
                       mtime=0) as out:
        out.write(tar)
    labels = {
        "org.opencontainers.image.title": "clusterdns",
        "org.opencontainers.image.description": "Cluster DNS server for Kubernetes",
        "org.opencontainers.image.version": options.version,
    }
    if options.revision:
        labels["org.opencontainers.image.revision"] = options.revision
    config = as_json({
        "architecture": options.architecture,
        "os": "linux",
        "created": iso_time(time),
        "config": {
            "User": f"{USER}:{USER}",
            "Entrypoint": ["/" + ALIAS],
            "WorkingDir": "/",
            "ExposedPorts": {"53/tcp": {}, "53/udp": {}},
            "Labels": labels,
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(tar)]},
        "history": [{"created": iso_time(time), "created_by": "deploy/image/build"}],
    })
    blobs = {}

    def blob(content):
        blobs[digest(content)] = content
        return {"digest": digest(content), "size": len(content)}

    manifest = as_json({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, **blob(config)},
        "layers": [{"mediaType": LAYER_TYPE, **blob(packed.getvalue())}],
    })
    index = as_json({
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [{
            "mediaType": MANIFEST_TYPE,
            **blob(manifest),
            "platform": {"architecture": options.architecture, "os": "linux"},
            "annotations": {
                # containerd takes the whole name from the first, other readers the tag from the
                # second.
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": name.rpartition(":")[2],
            },
        } for name in options.name],
    })

    def path(digest_text):
        return "blobs/" + digest_text.replace(":", "/")

    archive = Tar(time)
    archive.directory("blobs")
    archive.directory("blobs/sha256")
    for name in sorted(blobs):
        archive.file(path(name), blobs[name])
    archive.file("index.json", index)
    archive.file("manifest.json", as_json([{
        "Config": path(digest(config)),
        "RepoTags": options.name,
        "Layers": [path(digest(packed.getvalue()))],
    }]))
    archive.file("oci-layout", as_json({"imageLayoutVersion": "1.0.0"}))
    return archive.octets(), digest(manifest)


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise SystemExit(f"oci_archive: cannot read {path}: {error.strerror}")


def main():
    parser = argparse.ArgumentParser(description="Writes the container image of clusterdns.")
    parser.add_argument("--program", required=True, help="static, stripped clusterdns")
    parser.add_argument("--architecture", choices=sorted(MACHINES), default="amd64")
    parser.add_argument("--certificates", help="CA certificates (PEM) for /etc/ssl/certs")
    parser.add_argument("--packages", help="folder that describes what is linked in")
    parser.add_argument("--name", required=True, action="append",
                        help="REPOSITORY:TAG in the archive; more than one is fine")
    parser.add_argument("--version", required=True, help="version of clusterdns, a label")
    parser.add_argument("--revision", default="", help="commit, a label")
    parser.add_argument("--time", type=int, required=True, help="seconds since 1970, for every file")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()
    for name in options.name:
        repository, _, tag = name.rpartition(":")
        if not repository or not tag or "/" in tag:
            parser.error(f"--name {name}: write REPOSITORY:TAG")

    program = read(options.program)
    check_program(program, options.architecture)
    certificates = read(options.certificates) if options.certificates else b""
    archive, manifest_digest = image(options, program, certificates,
                                     read_packages(options.packages))
    with open(options.output, "wb") as file:
        file.write(archive)
    print(f"{options.output}: linux/{options.architecture}, {len(archive)} octets, "
          f"program {len(program)} octets, {' '.join(options.name)}\n{manifest_digest}")


if __name__ == "__main__":
    sys.exit(main())
