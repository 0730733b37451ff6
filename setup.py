"""What pyproject.toml cannot say: the wheel's models are those of the shipped runs."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RUNS = Path("example_experiments")


class WithModels(build_py):
    """Copies the models that need no TensorFlow into the package's folder `data`."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        data = Path(self.build_lib, "learned_jpeg", "data")
        for path in [RUNS / "models.toml", *sorted(RUNS.glob("rdo_*/train/*"))]:
            target = data / path.relative_to(RUNS)
            self.mkpath(str(target.parent))
            self.copy_file(str(path), str(target))


setup(cmdclass={"build_py": WithModels})
