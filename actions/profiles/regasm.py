"""Splunk ESCU "Detect Regasm with Network Connection" (T1218.009), the sibling of the Regsvcs analytic.

Sources: https://research.splunk.com/endpoint/07921114-6db4-4e2e-ae58-3ea8a52ae93f/ (name, id, message, score,
techniques, schedule) and https://learn.microsoft.com/dotnet/framework/tools/regasm-exe-assembly-registration-tool
(the tool and its arguments).
"""

from __future__ import annotations

from actions.profile import Profile

PROFILE = Profile(
    name="regasm",
    title="Detect Regasm with Network Connection",
    detection_id="07921114-6db4-4e2e-ae58-3ea8a52ae93f",
    process_names=("regasm.exe",),
    generations=(2, 7, 15),  # under numbers of its own: its version 6 is of generation 7, its 16 of 15
    impact=80,
    confidence=100,
    techniques=("T1218", "T1218.009"),
    tactic="Defense Evasion",
    original_file_names=("RegAsm.exe",),
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
