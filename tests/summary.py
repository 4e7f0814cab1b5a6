"""Sums up JUnit files of ctest. Usage: summary.py FILE EXIT-CODE-OF-CTEST [FILE-OF-THE-SECOND-TRY]

Prints each failed test by name, each skipped one with its reason and each that passed at the second
try only, and last the line `N passed, N failed[, N skipped]`. Ends with 0 if none failed and at
least one ran.
"""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree

# What GoogleTest and the scripts of tests/clients print when they skip.
REASONS = (
    re.compile(r"^SKIPPED: (.+)$", re.MULTILINE),
    re.compile(r": Skipped\n(.+)$", re.MULTILINE),
)


def was_skipped(case):
    """By its own decision, or switched off (DISABLED_). A test without its executable is no skip."""
    skipped = case.find("skipped")
    return case.get("status") == "disabled" or (
        skipped is not None and (skipped.get("message") or "").startswith("SKIP_")
    )


def reason_of(case):
    output = case.findtext("system-out") or ""
    for pattern in REASONS:
        found = pattern.search(output)
        if found:
            return found.group(1).strip()
    return "switched off" if case.get("status") == "disabled" else "no reason given"


def cases_of(path):
    if not os.path.exists(path):
        return []
    # Control characters in the output of a test must not cost the results.
    with open(path, encoding="utf-8", errors="replace") as file:
        text = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", file.read())
    return list(ElementTree.fromstring(text).iter("testcase")) if text.strip() else []


def main():
    path, ctest_code = sys.argv[1], int(sys.argv[2])
    again = {case.get("name") for path in sys.argv[3:] for case in cases_of(path)
             if case.get("status") == "run"}
    passed, failed, skipped = 0, [], []
    for case in cases_of(path):
        if case.get("status") == "run":
            passed += 1
        elif case.get("name") in again:
            passed += 1
            print(f"UNSTABLE {case.get('name')}: failed, and passed when it ran alone")
        elif was_skipped(case):
            skipped.append((case.get("name"), reason_of(case)))
        else:
            failed.append(case.get("name"))
    for name, reason in skipped:
        print(f"SKIPPED {name}: {reason}")
    for name in failed:
        print(f"FAILED {name}")
    if passed == 0 and not failed:
        print("FAILED: no test ran")
    elif ctest_code != 0 and not failed and not again:
        print(f"FAILED: ctest itself ended with {ctest_code}")
        failed.append("ctest")
    print(f"{passed} passed, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 0 if passed > 0 and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
