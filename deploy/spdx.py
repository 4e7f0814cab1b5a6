#!/usr/bin/env python3
"""A bill of materials of one program as SPDX 2.3 JSON: the program, and the Debian packages whose code is
linked into it. What it says depends on the program, the packages and --time alone."""
import argparse
import datetime
import hashlib
import json
import re
import subprocess


def installed(package):
    """Name, version and source of a package; None when it is not here."""
    fields = "${Package}\t${Version}\t${source:Package}\t${source:Version}\n"
    done = subprocess.run(["dpkg-query", "-W", "-f", fields, package], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    lines = done.stdout.splitlines()
    return lines[0].split("\t") if done.returncode == 0 and lines else None


def identifier(name):
    return "SPDXRef-Package-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--time", type=int, required=True, help="seconds since 1970")
    parser.add_argument("packages", nargs="*")
    options = parser.parse_args()

    with open(options.program, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    created = datetime.datetime.fromtimestamp(options.time, datetime.timezone.utc)
    ours = "SPDXRef-Package-clusterdns"
    packages = [{
        "SPDXID": ours,
        "name": "clusterdns",
        "versionInfo": options.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "Apache-2.0",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
        "primaryPackagePurpose": "APPLICATION",
    }]
    relationships = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                      "relatedSpdxElement": ours}]
    for package in sorted(options.packages):
        found = installed(package)
        if found is None:
            continue
        name, version, source, source_version = found
        packages.append({
            "SPDXID": identifier(name),
            "name": name,
            "versionInfo": version,
            "sourceInfo": f"built from the Debian source package {source} {source_version}",
            "supplier": "Organization: Debian",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": f"pkg:deb/debian/{name.replace('+', '%2B')}@{version.replace('+', '%2B')}"
                                    f"?arch={options.architecture}",
            }],
        })
        relationships.append({"spdxElementId": ours, "relationshipType": "STATIC_LINK",
                              "relatedSpdxElement": identifier(name)})
    print(json.dumps({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"clusterdns-{options.version}-{options.architecture}",
        "documentNamespace": f"https://clusterdns.invalid/spdx/{options.version}/{options.architecture}/{digest}",
        "creationInfo": {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "creators": ["Tool: clusterdns-deploy-release"]},
        "packages": packages,
        "relationships": relationships,
    }, indent=1))


main()
