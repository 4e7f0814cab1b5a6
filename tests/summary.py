"""Sums up a JUnit file of ctest. Usage: summary.py FILE EXIT-CODE-OF-CTEST

Prints each failed test by name and each skipped one with its reason, and last the line
`N passed, N failed[, N skipped]`. Ends with 0 if none failed and at least one ran.
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


def main():
    path, ctest_code = sys.argv[1], int(sys.argv[2])
    passed, failed, skipped = 0, [], []
    # Control characters in the output of a test must not cost the results.
    text = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            text = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", file.read())
    cases = ElementTree.fromstring(text).iter("testcase") if text.strip() else ()
    for case in cases:
        if case.get("status") == "run":
            passed += 1
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
    elif ctest_code != 0 and not failed:
        print(f"FAILED: ctest itself ended with {ctest_code}")
        failed.append("ctest")
    print(f"{passed} passed, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 0 if passed > 0 and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
