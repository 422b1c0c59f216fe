"""The limits on what a project, a person and the server may have. Each is a setting; a project may have its own."""

from typing import NamedTuple

from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_noop


class Limit(NamedTuple):
    """A limit, and the sentence of a refusal."""

    setting: str
    own: str = ""
    """The field of a project with its own limit, which staff set in the admin; "" if there is none."""
    refusal: str = ""
    """With the places `limit`, `used` and `more`; "" if `quota` states it, which knows what takes the bytes."""

    def allowed(self, own: int | None = None) -> int | None:
        """Return the limit in the unit of the setting, None for no limit. `own`: the project's own, if it has one."""
        return own or getattr(settings, self.setting) or None

    def problem(self, used: int, more: int = 1, *, own: int | None = None) -> str:
        """Return why `more` do not fit beside the `used` ones, and who can make room; "" if they fit."""
        limit = self.allowed(own)
        if limit is None or used + more <= limit:
            return ""
        numbers = {"limit": limit, "used": used, "more": more}
        return gettext(self.refusal).format_map(
            {name: number_format(n, force_grouping=True) for name, n in numbers.items()}
        )


# Bytes of media, rows in the database, uploads and the files that rows own. `quota` counts and asks.
STORAGE = Limit("PROJECT_STORAGE_MB", own="storage_limit_mb")

# The part of these bytes that waits to be imported. `quota` counts and asks.
WAITING = Limit("PROJECT_WAITING_MB")

# Asked by `quota.check_room`: of each upload, each chunk of an import, each look at a source, each copy.
ITEMS = Limit(
    "PROJECT_ITEMS",
    own="item_limit",
    refusal=gettext_noop(
        "This project may have {limit} items, and has {used}: there is no room for {more} more. Managers can "
        "remove items, which count for 30 more days; the person who runs this server can raise PROJECT_ITEMS or the "
        "project's own limit."
    ),
)

# Asked by `members.check_room`, wherever somebody becomes a member.
MEMBERS = Limit(
    "PROJECT_MEMBERS",
    own="member_limit",
    refusal=gettext_noop(
        "This project may have {limit} members, and has {used}: there is no room for {more} more. Managers "
        "can remove members; the person who runs this server can raise PROJECT_MEMBERS or the project's own limit."
    ),
)

# Both asked where a person creates or copies a project; the second not of staff.
PROJECTS = Limit(
    "MAX_PROJECTS",
    refusal=gettext_noop(
        "The limit of projects on this server is {limit}, and there are {used}. Managers can delete projects, which "
        "count for 30 more days; the person who runs this server can raise MAX_PROJECTS."
    ),
)
PROJECTS_OF_PERSON = Limit(
    "MAX_PROJECTS_PER_PERSON",
    refusal=gettext_noop(
        "The limit of projects for each person is {limit}, and you have made {used}. Deleted projects count for 30 "
        "more days; the person who runs this server can raise MAX_PROJECTS_PER_PERSON."
    ),
)

LIMITS = (STORAGE, WAITING, ITEMS, MEMBERS, PROJECTS, PROJECTS_OF_PERSON)
