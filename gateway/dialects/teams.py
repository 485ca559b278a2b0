"""Teams: teams and channels that are made, cloned or archived, and chats that are made with apps in them.

Sources (Microsoft Graph documentation): "Create team", "team: clone", "team: archive", "team: unarchive", "channel:
archive", "channel: unarchive", "Create chat", "teamsAsyncOperation resource type", which asks for more than 30 seconds
between two polls. The addresses in all replies are relative, without the version.

A chat without `installedApps` is made at once (201), so only the others are looked at.
"""

from typing import Final

from gateway.dialects.workload import Evidence, Start, Words, Workload

_TARGET: Final = ("field:/targetResourceLocation",)
_TARGET_OR_SOURCE: Final = (*_TARGET, "source:")

TEAMS: Final = Workload(
    name="teams",
    floor=30.0,
    words=Words(running=("notStarted", "inProgress"), failed=("failed", "invalid")),
    starts=(
        Start(
            "teams", "Create team", kind="createTeam", source="teams", result=_TARGET, evidence=Evidence.SEEN
        ),
        Start("teams/{team}/clone", "team: clone", kind="cloneTeam", result=_TARGET, evidence=Evidence.SEEN),
        Start(
            "groups/{group}/team/clone",
            "team: clone",
            kind="cloneTeam",
            result=_TARGET,
            evidence=Evidence.INFERRED,
        ),
        Start(
            "teams/{team}/archive|unarchive",
            "team: archive, team: unarchive",
            result=_TARGET_OR_SOURCE,
        ),
        Start(
            "groups/{group}/team/archive|unarchive",
            "team: archive, team: unarchive",
            result=_TARGET_OR_SOURCE,
        ),
        Start(
            "teams/{team}/channels/{channel}/archive|unarchive",
            "channel: archive, channel: unarchive",
            result=_TARGET_OR_SOURCE,
        ),
        Start(
            "groups/{group}/team/channels/{channel}/archive|unarchive",
            "channel: archive, channel: unarchive",
            result=_TARGET_OR_SOURCE,
        ),
        Start(
            "chats", "Create chat", kind="createChat", source="chats", needs="installedApps", result=_TARGET
        ),
    ),
)
