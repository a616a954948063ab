"""Lets tox environments share one folder: all need the same packages, and torch alone weighs 5.7 GB.

tox 4 recreates an environment whose folder was made under another name. Environments with the runner below (in tox.ini:
`runner = shared`) are remembered without their names, so that they differ only when what is installed does.
"""

from contextlib import AbstractContextManager
from typing import Any

from tox.plugin import impl
from tox.tox_env.info import Info
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner
from tox.tox_env.register import ToxEnvRegister


class Nameless(Info):
    """What tox remembers of an environment, less its name."""

    def compare(
        self, value: Any, section: str, sub_section: str | None = None
    ) -> AbstractContextManager[tuple[bool, Any | None]]:
        """Compare and update as tox does, with the name left out."""
        if isinstance(value, dict):
            value = {key: content for key, content in value.items() if key != "name"}
        return super().compare(value, section, sub_section)


class SharedRunner(VirtualEnvRunner):
    """A virtual environment that other tox environments may use too."""

    @staticmethod
    def id() -> str:
        """The name of the runner in tox.ini."""
        return "shared"

    @property
    def cache(self) -> Info:
        """What tox remembers of this environment."""
        return Nameless(self.env_dir)


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    """Make the runner known to tox."""
    register.add_run_env(SharedRunner)
