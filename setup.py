"""What pyproject.toml cannot say: the configs and scripts that a wheel carries, and addresses."""

import os
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


def project_urls() -> dict[str, str]:
    """Return the project's addresses, all below that of its repository; none if it is not known.

    Whoever builds a release says it in NUMERAI_LAB_REPOSITORY, as the release workflow does.
    """
    repository = os.environ.get("NUMERAI_LAB_REPOSITORY", "").rstrip("/")
    if not repository:
        return {}
    return {
        "Repository": repository,
        "Issues": f"{repository}/issues",
        "Documentation": f"{repository}/tree/main/docs",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
    }


setup(cmdclass={"build_py": WithConfigs}, project_urls=project_urls())
