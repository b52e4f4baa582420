"""Sums up the result files of a test run in one closing line; exits 1 when a test failed or none ran.

CTest's own summary counts the pytest run as one test, which says nothing to a reader and cannot tell a run of no tests
from a good one.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main(folder: str) -> int:
    total = failed = skipped = 0
    for file in Path(folder).rglob("*.xunit.xml"):
        for suite in ElementTree.parse(file).getroot().iter("testsuite"):
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped += int(suite.get("skipped", suite.get("skip", 0)))
    passed = total - failed - skipped
    print(f"tests: {passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed > 0 and failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
