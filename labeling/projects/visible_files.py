"""The files that an annotator may see: of items that they hold, held or answered, of class examples, and of near-copies
that a task showed them.

The files of other items would reveal how tasks are picked, and what other people were asked. The server answers a
request for them as for an item that does not exist.
"""

import hmac

from labeling.models import Ability, Membership, Project, User
from labeling.projects.classes import examples
from labeling.storage.db.statements import rows

KEY_BYTES = 16


def file_name(membership: Membership, item_id: int, key: str = "") -> str:
    """Return the storage name of the item's file; "" if the item has no file or the member may not see it.

    `key` is the key from `key_for` in the address of a near-copy. One query; two for an annotator without the item.
    """
    project = membership.project
    items = project.items.filter(pk=item_id).values_list("media", flat=True)
    if membership.can(Ability.ITEMS_READ) or (key and _fits(key, key_for(project, membership.user, item_id))):
        return items.first() or ""
    if had := _file_of_own(membership, item_id):
        return had
    return examples.file_name(project, item_id)


def key_for(project: Project, user: User, item_id: int) -> str:
    """Return a key that proves that the server has shown this near-copy to this person.

    The near-copies of a task change with other people's answers: a check against the current ones would reveal those
    answers.
    """
    return project.keyed("shown", f"{user.pk}/{item_id}")[:KEY_BYTES].hex()


def _fits(key: str, expected: str) -> bool:
    return hmac.compare_digest(key.encode("utf-8", "surrogatepass"), expected.encode())


def _file_of_own(membership: Membership, item_id: int) -> str:
    """Return the storage name of the item's file if the member holds, held or answered the item; else "". Takes one
    query.

    An imported answer of the member counts, too.
    """
    found = rows(
        """
        SELECT i.media FROM labeling_item i WHERE i.id = %s AND i.project_id = %s AND EXISTS (
            SELECT 1 FROM (
                SELECT t.id FROM labeling_task t WHERE t.item_id = %s
                UNION ALL SELECT t.id FROM labeling_task t WHERE t.repeats_id = %s
            ) own WHERE EXISTS (SELECT 1 FROM labeling_assignment a WHERE a.task_id = own.id AND a.user_id = %s)
            OR EXISTS (SELECT 1 FROM labeling_annotation n WHERE n.task_id = own.id AND n.user_id = %s)
        )
        """,
        [item_id, membership.project.pk, item_id, item_id, membership.user.pk, membership.user.pk],
    )
    return str(found[0][0]) if found else ""
