"""The systemd unit, by systemd's own judgement. No service is started: that would be this machine's."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import support

UNIT = os.path.join(support.ROOT, "deploy/systemd/clusterdns.service")
# Of 10, where less is better. What is left is what a DNS server is for: the network and port 53.
EXPOSURE = 1.6


class Unit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.need("systemd-analyze")

    def analyze(self, *words):
        done = subprocess.run(["systemd-analyze", *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "SYSTEMD_EMOJI": "0", "SYSTEMD_PAGER": ""})
        return done.returncode, done.stdout

    def test_exposure(self):
        code, text = self.analyze("security", "--offline=yes", UNIT)
        self.assertEqual(code, 0, text)
        exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", text).group(1))
        self.assertLessEqual(exposure, EXPOSURE)
        with open(os.path.join(support.ROOT, "deploy/README.md"), encoding="utf-8") as readme:
            self.assertIn(f"rates the exposure {exposure} of 10", " ".join(readme.read().split()))

    def test_verify(self):
        """No unknown setting, no unit or program missing. The program is found in a root of its own."""
        with tempfile.TemporaryDirectory() as root:
            units = os.path.join(root, "etc/systemd/system")
            os.makedirs(units)
            os.makedirs(os.path.join(root, "usr/local/bin"))
            os.makedirs(os.path.join(root, "bin"))
            shutil.copy(UNIT, units)
            shutil.copy(support.program(), os.path.join(root, "usr/local/bin/clusterdns"))
            shutil.copy("/bin/kill", os.path.join(root, "bin/kill"))
            shutil.copytree("/lib/systemd/system", os.path.join(root, "lib/systemd/system"),
                            symlinks=True)
            code, text = self.analyze("verify", "--man=no", f"--root={root}",
                                      "clusterdns.service")
            ours = [line for line in text.splitlines() if "clusterdns" in line]
            self.assertEqual((code, ours), (0, []), text)


if __name__ == "__main__":
    support.main()
