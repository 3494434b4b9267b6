"""What pyproject.toml cannot say: a wheel carries the configs and scripts of the repository."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = {
    "configs": ("*.yaml", "data/*.yaml"),
    "scripts": ("cron_submit.sh", "numerai-lab-submit.*"),
}


class WithConfigs(build_py):
    """Copy them into the package; an editable install reads them where they are."""

    def run(self) -> None:
        """Build as ever, and copy what is shipped."""
        super().run()
        if self.editable_mode:
            return
        for folder, patterns in SHIPPED.items():
            into = Path(self.build_lib, "numerai_lab", "shipped", folder)
            for pattern in patterns:
                for path in Path(folder).glob(pattern):
                    target = into / path.relative_to(folder)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, target)


setup(cmdclass={"build_py": WithConfigs})
