"""Sums up JUnit files of ctest. Usage: summary.py EXIT-CODE-OF-CTEST FILE…

Prints each failed test by name with the end of what it said, each skipped one with its reason, and
last the line `N passed, N failed[, N skipped]`. Ends with 0 if none failed and at least one ran.
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

# Lines of a failed test that are shown below its name.
SHOWN = 12


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


def parts_of(case):
    """Of a case that is many GoogleTest tests (tests/CMakeLists.txt): how many passed, the names of
    those that failed, how many skipped. None for any other."""
    output = case.findtext("system-out") or ""
    total = re.search(r"^\[=+\] (\d+) tests? from \d+ test suites? ran\.", output, re.MULTILINE)
    passed = re.search(r"^\[  PASSED  \] (\d+) tests?\.", output, re.MULTILINE)
    if not total or not passed or int(total[1]) < 2:
        return None
    failed = re.findall(r"^\[  FAILED  \] ([\w/]+\.[\w/]+)", output, re.MULTILINE)
    return int(passed[1]), sorted(set(failed)), int(total[1]) - int(passed[1]) - len(set(failed))


def end_of(case):
    """The last lines of what it said."""
    lines = (case.findtext("system-out") or "").strip().splitlines()
    # GoogleTest says what was wrong first, and sums up last.
    at = next((i for i, line in enumerate(lines) if ": Failure" in line), len(lines) - SHOWN)
    return [f"    {line[:300]}" for line in lines[max(at, 0):][:SHOWN]]


def main():
    ctest_code, paths = int(sys.argv[1]), sys.argv[2:]
    passed, failed, skipped = 0, [], []
    for case in (case for path in paths for case in cases_of(path)):
        parts = parts_of(case)
        if parts and (case.get("status") == "run" or parts[1]):
            passed += parts[0]
            failed += [(f"{case.get('name')} {name}", case) for name in parts[1]]
            skipped += [(case.get("name"), reason_of(case))] * parts[2]
        elif case.get("status") == "run":
            passed += 1
        elif was_skipped(case):
            skipped.append((case.get("name"), reason_of(case)))
        else:
            failed.append((case.get("name"), case))
    for name, reason in skipped:
        print(f"SKIPPED {name}: {reason}")
    for name, case in failed:
        print(f"FAILED {name}", *end_of(case), sep="\n")
    if passed == 0 and not failed:
        print("FAILED: no test ran")
    elif ctest_code != 0 and not failed:
        print(f"FAILED: ctest itself ended with {ctest_code}")
        failed.append(("ctest", None))
    print(f"{passed} passed, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 0 if passed > 0 and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
