"""deploy/program: building starts from what the preset says, whatever was chosen in that folder before."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import support

# What a build is made of.
SOURCES = ["CMakeLists.txt", "CMakePresets.json", "app", "bench", "deploy", "dns", "registry", "tests", "zones"]
TEXTS = ["README.md", "CHANGELOG.md", "LICENSE"]


def copy(folder):
    os.mkdir(folder)
    for name in SOURCES + TEXTS:
        path = os.path.join(support.ROOT, name)
        target = os.path.join(folder, name)
        if os.path.isdir(path):
            shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, target)
    return folder


class Configure(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.need("cmake", "ninja")
        cls.addClassCleanup(shutil.rmtree, folder := tempfile.mkdtemp(), ignore_errors=True)
        cls.folder = folder
        cls.root = copy(os.path.join(folder, "project"))
        cls.build = os.path.join(cls.root, "build/release")

    def cmake(self, *words, root=None):
        return support.run("cmake", *words, cwd=root or self.root)

    def shell(self, command, root=None):
        root = root or self.root
        return subprocess.run(["bash", "-c", f". deploy/program; {command}"], cwd=root, env={**os.environ, "ROOT": root},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def cache(self, build=None):
        with open(os.path.join(build or self.build, "CMakeCache.txt"), encoding="utf-8") as file:
            return dict(re.findall(r"^(\w+):\w+=(.*)$", file.read(), re.MULTILINE))

    def is_as_the_preset_says(self, root=None):
        done = self.shell("configure release", root)
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        cache = self.cache(os.path.join(root or self.root, "build/release"))
        self.assertEqual({name: cache[name] for name in cache if name.startswith("CLUSTERDNS_") and "ARCHIVE" not in name},
                         {"CLUSTERDNS_TESTS": "OFF", "CLUSTERDNS_BENCH": "OFF", "CLUSTERDNS_FUZZ": "OFF",
                          "CLUSTERDNS_STATIC": "ON", "CLUSTERDNS_WERROR": "ON", "CLUSTERDNS_SANITIZE": ""})
        self.assertEqual((cache["CMAKE_GENERATOR"], cache["CMAKE_BUILD_TYPE"], cache["CMAKE_CXX_FLAGS"]),
                         ("Ninja", "Release", ""))
        # The folder is one that ninja can work in.
        self.assertIn("clusterdns_server: phony", self.cmake("--build", "--preset", "release", "--target", "help",
                                                             root=root))

    def test_nothing_before(self):
        shutil.rmtree(self.build, ignore_errors=True)
        self.is_as_the_preset_says()

    def test_options_of_other_commands(self):
        self.cmake("--preset", "release", "-DCLUSTERDNS_TESTS=ON", "-DCLUSTERDNS_BENCH=ON",
                   "-DCLUSTERDNS_SANITIZE=thread", "-DCLUSTERDNS_STATIC=OFF", "-DCMAKE_CXX_FLAGS=-O0")
        self.is_as_the_preset_says()

    def test_another_generator(self):
        self.cmake("--fresh", "-S", ".", "-B", "build/release", "-G", "Ninja Multi-Config")
        self.is_as_the_preset_says()

    def test_another_compiler(self):
        compiler = os.path.join(self.folder, "c++")
        if not os.path.exists(compiler):
            os.symlink(shutil.which("c++"), compiler)
        self.cmake("--preset", "release", f"-DCMAKE_CXX_COMPILER={compiler}")
        self.is_as_the_preset_says()
        self.assertNotEqual(self.cache()["CMAKE_CXX_COMPILER"], compiler)

    def test_programs_and_libraries_that_have_gone(self):
        gone = "/nonexistent/gone"
        self.cmake("--preset", "release", f"-DCCACHE={gone}", f"-DMOLD={gone}", f"-DBoost_DIR={gone}")
        with open(os.path.join(self.build, "build.ninja"), encoding="utf-8") as file:
            self.assertNotIn(gone, file.read())
        self.is_as_the_preset_says()

    def test_a_configuration_that_was_interrupted(self):
        os.makedirs(self.build, exist_ok=True)
        with open(os.path.join(self.build, "CMakeCache.txt"), "w", encoding="utf-8") as file:
            file.write("CMAKE_GENERATOR:INTERNAL=Unix Makef")
        self.is_as_the_preset_says()

    def test_the_project_was_moved(self):
        self.is_as_the_preset_says()
        moved = os.path.join(self.folder, "moved")
        shutil.copytree(self.root, moved, symlinks=True)
        self.is_as_the_preset_says(moved)

    def test_a_folder_of_another_user(self):
        support.need_root()
        support.need("setpriv")
        os.chmod(self.folder, 0o755)
        self.is_as_the_preset_says()
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-c",
                               f"ROOT={self.root}; . $ROOT/deploy/program; configure release"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"^nobody may not write \S+, which belongs to root\.\n"
                         r"Go on as that user, or remove the folder: sudo rm -r \S+\n$")

    def test_tests_are_no_reason_to_be_without_the_program(self):
        """With libgtest-dev and without libgmock-dev."""
        found = [f for f in support.run("dpkg", "-L", "libgtest-dev").split() if f.endswith("GTestConfig.cmake")]
        partial = os.path.join(self.folder, "GTest")
        if not os.path.exists(partial):
            shutil.copytree(os.path.dirname(found[0]), partial, ignore=shutil.ignore_patterns("GMock*"))
        text = self.cmake("--fresh", "--preset", "release", "-DCLUSTERDNS_TESTS=ON", f"-DGTest_DIR={partial}")
        self.assertIn("-- Tests are off: GTest and GMock are not both here (Debian packages libgtest-dev, libgmock-dev)\n", text)
        self.assertNotIn("GTest::", text)

    def test_the_presets_of_developers_have_the_tests(self):
        for preset in ["dev", "asan", "tsan", "coverage"]:
            self.assertNotIn("Tests are off", self.cmake("--preset", preset))
            self.assertEqual(self.cache(os.path.join(self.root, "build", preset))["CLUSTERDNS_TESTS"], "ON")


if __name__ == "__main__":
    support.main()
