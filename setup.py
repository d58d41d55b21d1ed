"""Package metadata of wsol_mm.

The OpenMMLab packages exist as two sets of distributions that install the same modules (`mmcv`,
`mmdet`, ...): the original ones and the maintained `onedl-*` forks. Installing both overwrites
files, so neither is a hard dependency: choose one by extra, `wsol_mm[onedl]` or
`wsol_mm[openmmlab]`.

`wsol_mm/.mim` holds symbolic links to configs/, tools/ and model-index.yml. A wheel stores the
files behind them, an editable install follows the links, so configs never go stale.

A wheel also brings `wsol_mm_operators.pth` for the top of site-packages (see wsol_mm/compat); in a
clone's `.venv` tools/misc/setup_env.sh puts it there.
"""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    """Lines of requirements/<name>.txt."""
    return (ROOT / "requirements" / f"{name}.txt").read_text().split()


class BuildWithStartUpFile(build_py):
    """build_py that lays the start-up file beside the package."""

    start_up = "wsol_mm_operators.pth"

    def run(self) -> None:
        """Copy the modules, then the start-up file."""
        super().run()
        if not self.editable_mode:
            source = ROOT / "wsol_mm" / "compat" / self.start_up
            self.copy_file(str(source), str(Path(self.build_lib) / self.start_up))

    def get_outputs(self, include_bytecode: int = 1) -> list[str]:
        """Files that installing lists, so that uninstalling removes them."""
        return [
            *super().get_outputs(include_bytecode),
            str(Path(self.build_lib) / self.start_up),
        ]


version: dict[str, str] = {}
exec((ROOT / "wsol_mm" / "version.py").read_text(), version)

setup(
    name="wsol_mm",
    version=version["__version__"],
    description="Weakly supervised object localization as a plugin for OpenMMLab",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=["weakly supervised object localization", "CAM", "OpenMMLab", "computer vision"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["wsol_mm", "wsol_mm.*"]),
    cmdclass={"build_py": BuildWithStartUpFile},
    package_data={"wsol_mm": [".mim/**/*", "py.typed", "compat/*.pth", "apis/*.html"]},
    install_requires=requirements("runtime"),
    extras_require={
        "onedl": requirements("onedl"),
        "openmmlab": requirements("openmmlab"),
        "dev": requirements("dev"),
        "optional": requirements("optional"),
        "export": requirements("export"),  # tools/deploy/export.py
        "demo": requirements("demo"),  # tools/demo_app.py
        "pretrained": requirements("pretrained"),  # weights of wsol_mm's `package://` addresses
        "crf": requirements("crf"),  # builds from source, needs a C++ compiler
    },
)
