"""Splunk ESCU "Detect Regsvcs with Network Connection" (T1218.009).

Sources: https://research.splunk.com/endpoint/e3e7a1c0-f2b9-445c-8493-f30a63522d1a/ (name, id, message, score,
techniques, schedule) and https://learn.microsoft.com/dotnet/framework/tools/regsvcs-exe-net-services-installation-tool
(the tool and its arguments).
"""

from __future__ import annotations

from actions.profile import Profile

PROFILE = Profile(
    name="regsvcs",
    title="Detect Regsvcs with Network Connection",
    detection_id="e3e7a1c0-f2b9-445c-8493-f30a63522d1a",
    process_names=("regsvcs.exe",),
    generations=(2, 7, 15),
    impact=80,
    confidence=100,
    techniques=("T1218", "T1218.009"),
    tactic="Defense Evasion",
    original_file_names=("RegSvcs.exe",),
    # 1.x came for 32 bits only; later versions in every flavour of the framework.
    expected_directories=(
        r"microsoft.net\framework\v1.0.3705",
        r"microsoft.net\framework\v1.1.4322",
        r"microsoft.net\framework\v2.0.50727",
        r"microsoft.net\framework\v4.0.30319",
        r"microsoft.net\framework64\v2.0.50727",
        r"microsoft.net\framework64\v4.0.30319",
        r"microsoft.net\frameworkarm64\v2.0.50727",
        r"microsoft.net\frameworkarm64\v4.0.30319",
    ),
    expects_arguments=True,
)
