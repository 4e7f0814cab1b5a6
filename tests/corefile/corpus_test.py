#!/usr/bin/python3
"""Corefiles of the field, each with what the program says of it.

A case is a file `NAME.corefile` below data/; the folder that it is in has the files that it names,
where `/etc/…` is below that folder too. Its first comments say what is expected of
`clusterdns check`:

    #! warning LINE:COLUMN TEXT
    #! error LINE:COLUMN TEXT

and without any it loads without a word.

  corpus_test.py [--print] [NAME…]     --print: what the program says, in this form
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE / "data"
PATIENCE = 120
# For one case; it harms no other.
ENVIRONMENT = {**os.environ, "METRICS_PORT": "9254"}
# No platforms; those whose addresses and files only their nodes have.
NOT_SILENT = ("directives", "old", "harmful", "refused", "refused-files", "k3s-bare", "node-local")
# What a case's folder need not have: one upstream, as a pod finds it.
RESOLV_CONF = "nameserver 10.0.0.2\n"


def program():
    path = os.environ.get("CLUSTERDNS_BINARY", "")
    if not os.path.exists(path):
        sys.exit("CLUSTERDNS_BINARY has to name the program")
    return path


def expected(text):
    """The lines that say it, without their mark."""
    return [line[3:] for line in text.splitlines() if line.startswith("#! ")]


class Corpus:
    """A copy of data/, with `/etc/` of each Corefile below its folder, and certificates."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name).resolve() / "data"
        shutil.copytree(DATA, self.root)
        self.cases = {str(path.relative_to(self.root).with_suffix("")): path
                      for path in sorted(self.root.rglob("*.corefile"))}
        for path in self.cases.values():
            etc = path.parent / "etc"
            (etc / "coredns").mkdir(parents=True, exist_ok=True)
            if not (etc / "resolv.conf").exists():
                (etc / "resolv.conf").write_text(RESOLV_CONF)
            for file in [path, *(etc / "coredns").rglob("*")]:
                if file.suffix in (".corefile", ".override", ".server", ".conf"):
                    text = file.read_text()
                    file.write_text(text.replace(" /etc/", f" {etc}/"))
        certificates = self.root / "directives/etc/coredns"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=dns.example", "-days",
                        "2", "-keyout", certificates / "key.pem", "-out",
                        certificates / "cert.pem"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=PATIENCE)

    def close(self):
        self.folder.cleanup()

    def migrated(self, name):
        """(what `clusterdns migrate` prints, its exit code)"""
        done = subprocess.run([program(), "migrate", str(self.cases[name])], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=PATIENCE,
                              env=ENVIRONMENT)
        return done.stdout, done.returncode

    def judged(self, names):
        """{name: [what is said of it]}, as `expected` has it. One process for all of them."""
        by_file = {str(self.cases[name]): name for name in names}
        # On port 53, as in a pod.
        done = subprocess.run([program(), "check", "-o", "json", *by_file], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              env=ENVIRONMENT)
        if done.stderr or not done.stdout:
            raise AssertionError(f"exit code {done.returncode}: {done.stderr}")
        result = {name: [] for name in names}
        folders = {str(path.parent): name for name, path in self.cases.items() if name in names}
        for problem in json.loads(done.stdout)["problems"]:
            file = problem["file"]
            name = by_file.get(file) or next(
                name for folder, name in folders.items() if file.startswith(folder + "/"))
            parent = str(self.cases[name].parent)
            where = "" if file in by_file else file.removeprefix(parent) + ":"
            text = problem["text"].replace(parent, "")
            place = f"{problem['line']}:{problem['column']}"
            result[name].append(f"{problem['severity']} {where}{place} {text}")
        return result, done.returncode


class Corefiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.corpus = Corpus()

    @classmethod
    def tearDownClass(cls):
        cls.corpus.close()

    def test_each_is_taken_or_refused_as_it_says(self):
        names = list(self.corpus.cases)
        judged, code = self.corpus.judged(names)
        self.assertEqual(code, 1)  # some are refused
        for name in names:
            with self.subTest(name):
                self.assertEqual(judged[name], expected((DATA / f"{name}.corefile").read_text()))

    def test_what_platforms_ship_is_taken_without_a_word(self):
        names = [name for name in self.corpus.cases if name.split("/")[0] not in NOT_SILENT]
        self.assertGreater(len(names), 15)
        judged, code = self.corpus.judged(names)
        self.assertEqual({name: said for name, said in judged.items() if said}, {})
        self.assertEqual(code, 0)

    def test_what_is_old_is_rewritten_and_then_loads_without_a_word(self):
        names = [name for name in self.corpus.cases if name.startswith("old/")]
        self.assertTrue(names)
        for name in names:
            path = self.corpus.cases[name]
            before = path.read_text()
            after, code = self.corpus.migrated(name)
            with self.subTest(name):
                self.assertEqual(code, 0)
                path.write_text(after)
                self.assertEqual(self.corpus.judged([name])[0][name], [])
                self.assertEqual(self.corpus.migrated(name), (after, 0))
            path.write_text(before)

    def test_what_is_not_old_is_not_rewritten(self):
        for name, path in self.corpus.cases.items():
            # Braces that do not fit, and files that are not there, are told instead.
            if name.split("/")[0] in ("old", "refused", "refused-files"):
                continue
            with self.subTest(name):
                self.assertEqual(self.corpus.migrated(name), (path.read_text(), 0))


def main():
    if "--print" in sys.argv:
        corpus = Corpus()
        wanted = sys.argv[2:] or list(corpus.cases)
        for name, said in corpus.judged(wanted)[0].items():
            for line in said:
                print(f"{name}: #! {line}")
        corpus.close()
        return
    unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
