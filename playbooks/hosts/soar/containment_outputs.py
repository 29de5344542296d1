"""What the actions of an asset of purpose contain answer: one row a host, with the data paths playbooks read.

Renaming a field here breaks playbooks that read it: `action_result.data.*.<name>`.
"""

from soar_sdk.action_results import OutputField

from playbooks.hosts.soar.shapes import Output


class ContainmentRow(Output):
    """What became of an order to isolate or release a host, or how one stands.

    Attributes:
        case_id: "" where there is none.
        host_id: the vendor's id of the agent; "" where it is not known.
        outcome: one of ContainmentOutcome (actions/containment.py). Those of `get isolation status` are
            isolated, already_isolated, not_isolated, pending and unknown.
        verified: True only where the vendor's state was read as the one that was wanted, observed or
            reported: isolated for an isolation, not isolated for a release.
        state, how_known, as_of: the host's state as it was last read, how the vendor knows it, and when the
            vendor was asked; "" where it was not read.
        ours: whether the isolation is one of this app.
        intent_id, intent_state: the order in the ledger; "" where none was written.
        ordered_by: who wanted it; "playbook" where the policy alone decided.
        owner, review_by: of the lease that stands; "" for none.
        obstacles: ids of the guards that stand in the way.
    """

    case_id: str = OutputField(example_values=["case-7d2678510007df6c"], column_name="Case")
    host: str = OutputField(cef_types=["host name"], example_values=["WS01.corp.example"], column_name="Host")
    host_id: str = OutputField(example_values=["0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"])
    outcome: str = OutputField(
        example_values=["isolated", "ours_stands", "already_isolated", "refused", "failed", "unknown"],
        column_name="Outcome",
    )
    verified: bool = OutputField(example_values=[True], column_name="Verified")
    state: str = OutputField(example_values=["isolated", "not_isolated", "isolating"], column_name="State")
    how_known: str = OutputField(example_values=["observed", "reported", "desired"])
    as_of: str = OutputField(example_values=["2026-09-25 07:00:12 UTC"])
    ours: bool = OutputField(example_values=[True])
    intent_id: str = OutputField(example_values=["5f0c9a7e4b1d4c0e8a55d3c1b2a49f10"])
    intent_state: str = OutputField(example_values=["verified", "failed", "unknown"])
    ordered_by: str = OutputField(cef_types=["user name"], example_values=["analyst01", "playbook"])
    owner: str = OutputField(cef_types=["user name"], example_values=["analyst01"], column_name="Owner")
    review_by: str = OutputField(example_values=["2026-09-26 07:00 UTC"], column_name="Review by")
    obstacles: list[str] = OutputField(example_values=["no_active_lease"])
    sentence: str = OutputField(
        example_values=["WS01.corp.example is isolated: Defender reported it at 07:00:12 UTC."],
        column_name="What is known",
    )


class ContainmentSummary(Output):
    """All rows of one parameter set.

    Attributes:
        verified: rows whose wanted state was read at the vendor.
        outcome: of the first row.
    """

    hosts: int = OutputField(example_values=[1])
    verified: int = OutputField(example_values=[1])
    outcome: str = OutputField(example_values=["isolated"])
