"""The SDK's manifest of a staged app: `python -m scripts.soar.sdk_manifest STAGE WHEELS OUT`.

It runs in a process of its own, since it imports the staged copy of packages this checkout has too. WHEELS
is a JSON file, [[package, version, [file name of a wheel, ...]], ...]; the SDK would read a uv.lock.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from soar_sdk.cli.manifests.processors import ManifestProcessor
from soar_sdk.meta.dependencies import UvDependency, UvLock, UvPackage, UvSource, UvWheel

from scripts.soar.archive import fixed_time_text
from scripts.soar.stage import APP

type Wheels = Sequence[tuple[str, str, Sequence[str]]]


class StagedManifest(ManifestProcessor):
    """The SDK's own maker of manifests, told the wheels at hand instead of reading uv.lock."""

    def __init__(self, stage: Path, wheels: Wheels) -> None:
        super().__init__("manifest.json", str(stage))
        self._wheels = wheels

    def load_app_uv_lock(self) -> UvLock:
        """The wheels as the packages of a lock, all of them wanted by the app itself."""
        packages = [
            # The hash is used to check a download only, and these were checked when they were fetched.
            UvPackage(
                name=name,
                version=version,
                source=UvSource(),
                wheels=[UvWheel(filename=file, hash="") for file in files],
            )
            for name, version, files in self._wheels
        ]
        wanted = [UvDependency(name=package.name) for package in packages]
        packages.append(UvPackage(name=APP, version="0", source=UvSource(), dependencies=wanted))
        return UvLock(package=packages)


def main(stage: str, wheels: str, out: str) -> None:
    """Write the manifest of STAGE to OUT, its time fixed and its line numbers left out."""
    given = json.loads(Path(wheels).read_text(encoding="utf-8"))
    meta = StagedManifest(Path(stage), given).build()
    meta.utctime_updated = fixed_time_text()
    if meta.webhook is not None:
        for route in meta.webhook.routes:
            # Optional, and changes with every line above the handler.
            route.declaration_lineno = None
    text = json.dumps(meta.to_json_manifest(), indent=4, ensure_ascii=False)
    Path(out).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
