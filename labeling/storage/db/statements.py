"""Plain SQL for the statements of claims, answers and exports.

The ORM composes a query for each call, which takes many times longer than the database takes to answer it. These
functions work on SQLite and PostgreSQL alike; the models' fields convert the values.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, CharField, Field, FloatField, ForeignKey, IntegerField, Model, TextField
from django.db.models.base import ModelState
from django.db.models.expressions import RawSQL

from labeling.storage.db.replica import reading

M = TypeVar("M", bound=Model)

# Fields whose values need no conversion on either database.
AS_THEY_ARE = (BooleanField, CharField, FloatField, IntegerField, TextField)
# Types of values that are cheap to compare, and often repeat within a column.
OFTEN_REPEATED = (bool, int, datetime.datetime)


def rows(sql: str, values: Sequence[Any], *, planned_anew: bool = False) -> list[tuple[Any, ...]]:
    """Return the rows that the statement returns, from the replica within a block of `labeling.storage.db.replica`.

    With `planned_anew`, PostgreSQL plans the statement for each call. Use it if the best plan depends on the values, or
    if the table grows from empty while the statement is repeated, as in an import.
    """
    database = reading()
    with database.cursor() if planned_anew else _cursor(database) as cursor:
        cursor.execute(sql, values)
        return cast("list[tuple[Any, ...]]", cursor.fetchall())


def change(sql: str, values: Sequence[Any]) -> int:
    """Run the statement, and return the number of rows that it changed."""
    with _cursor(connections[DEFAULT_DB_ALIAS]) as cursor:
        cursor.execute(sql, values)
        return cursor.rowcount


def change_each(sql: str, values: Sequence[Sequence[Any]]) -> None:
    """Run the statement once for each row of values."""
    with _cursor(connections[DEFAULT_DB_ALIAS]) as cursor:
        cursor.executemany(sql, values)


def update_numbers(model: type[Model], name: str, numbers: Mapping[int, int]) -> None:
    """Set a field of integers: `numbers` maps primary keys to values.

    One statement on PostgreSQL, which takes two thirds of the time of a statement for each row.
    """
    table, column = model._meta.db_table, _field(model, name).column
    if connection.vendor != "postgresql":
        change_each(
            f'UPDATE "{table}" SET "{column}" = %s WHERE id = %s', [(number, pk) for pk, number in numbers.items()]
        )
        return
    with connection.cursor() as cursor:  # not prepared: the table grows while imports repeat this statement
        cursor.execute(
            f'UPDATE "{table}" SET "{column}" = pairs.number '
            "FROM (SELECT unnest(%s::bigint[]) AS pk, unnest(%s::bigint[]) AS number) pairs "
            f'WHERE "{table}".id = pairs.pk',
            [list(numbers), list(numbers.values())],
        )


def _cursor(database: BaseDatabaseWrapper) -> Any:
    """Return a cursor; on PostgreSQL one that binds values on the server, and prepares each statement once for a
    connection (`prepare_threshold` in the settings). Django's default cursors write the values into the SQL.
    """
    if database.vendor != "postgresql":
        return database.cursor()
    from django.db.backends.postgresql.base import ServerBindingCursor  # imports psycopg, which SQLite does not need

    database.ensure_connection()
    with database.wrap_database_errors:
        cursor = cast("Any", ServerBindingCursor)(database.connection)
    # As `database.cursor()` does: the wrapper raises Django's errors and counts queries.
    return database.make_debug_cursor(cursor) if database.queries_logged else database.make_cursor(cursor)


def insert(model: type[Model], names: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
    """Insert rows with the fields `names`; the fields convert the values."""
    columns = ", ".join(f'"{_field(model, name).column}"' for name in names)
    row = f"({marks(len(names))})"
    change(
        f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES {", ".join([row] * len(values))}',
        [value for each in converted(model, names, values) for value in each],
    )


def converted(model: type[Model], names: Sequence[str], values: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Return rows with the fields `names`, converted for the database."""
    columns = zip(names, zip(*values, strict=True), strict=False)  # no columns if there are no rows
    return zip(*(_as_stored(_field(model, name), column) for name, column in columns), strict=True)


def _as_stored(field: Field[Any, Any], column: Sequence[Any]) -> list[Any]:
    """Return a column's values as the database stores them. Repeats that are cheap to find are converted once."""
    if isinstance(field.target_field if isinstance(field, ForeignKey) else field, AS_THEY_ARE):
        return list(column)
    database = connections[DEFAULT_DB_ALIAS]  # `connection` looks it up again at each step
    turned: list[Any] = []
    known: dict[tuple[type, Any], Any] = {}  # by type, too: true equals 1
    last = last_turned = object()
    for value in column:
        if value is not last:
            key = (type(value), value) if type(value) in OFTEN_REPEATED else None
            last, last_turned = value, known.get(key) if key else None
            if last_turned is None:
                last_turned = field.get_db_prep_save(value, database)
                if key:
                    known[key] = last_turned
        turned.append(last_turned)
    return turned


def insert_many(model: type[Model], names: Sequence[str], values: Iterable[Sequence[Any]]) -> None:
    """Insert thousands of rows with the fields `names`, by COPY on PostgreSQL.

    The values are not converted (`converted` does that): the value of a JSON field is its text.
    """
    columns = ", ".join(f'"{_field(model, name).column}"' for name in names)
    table = f'"{model._meta.db_table}" ({columns})'
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with connection.wrap_database_errors, cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
        else:
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks(len(names))})", cast("Any", values))


def analyze(table: str) -> None:
    """Refresh PostgreSQL's statistics of the table, from a sample, in some tenths of a second.

    PostgreSQL refreshes them by itself only after a minute or more, and until then scans a grown table that was empty.
    A table that is being vacuumed is skipped: waiting for its lock would make PostgreSQL cancel the vacuum.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'ANALYZE (SKIP_LOCKED) "{table}"')


def among(numbers: Iterable[int]) -> RawSQL:
    """Return the numbers for `__in` as one parameter: thousands of placeholders take longer than the statement."""
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::bigint[])", [list(numbers)])
    return RawSQL("SELECT value FROM json_each(%s)", [str(list(numbers))])


def one_of(column: str, numbers: Sequence[int]) -> tuple[str, list[Any]]:
    """Return the SQL condition that the column is one of these numbers, and its parameters.

    One array parameter on PostgreSQL, whose driver takes longer over hundreds of placeholders than the statement takes.
    """
    if connection.vendor == "postgresql":
        return f"{column} = ANY(CAST(%s AS bigint[]))", [list(numbers)]
    return f"{column} IN ({marks(len(numbers))})", list(numbers)


def marks(number: int) -> str:
    """Return this number of placeholders with commas, as in `IN (…)`."""
    return ", ".join(["%s"] * number)


def stored(model: type[Model], name: str, value: Any) -> Any:
    """Return a field's value, converted for the database."""
    return _field(model, name).get_db_prep_save(value, connections[DEFAULT_DB_ALIAS])


def stored_time(at: datetime.datetime) -> Any:
    """Return a time, converted for the database."""
    return connections[DEFAULT_DB_ALIAS].ops.adapt_datetimefield_value(at)


def moment(column: str) -> str:
    """Return a column of times in a SELECT as text, for `as_moment`: both drivers are slow to convert times."""
    return f"CAST({column} AS text)" if connection.vendor == "sqlite" else f"CAST({column} AT TIME ZONE 'UTC' AS text)"


def as_moment(value: Any) -> datetime.datetime | None:
    """Return the time from the value of a `moment` column."""
    return datetime.datetime.fromisoformat(f"{value}+00:00") if isinstance(value, str) else value


def as_uuid_text(value: Any) -> str:
    """Return the usual text of a UUID from the database: 32 hex digits on SQLite, a UUID on PostgreSQL."""
    if isinstance(value, str):
        return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"
    return str(value)


def several_write() -> bool:
    """Return whether several transactions write at a time, so that rows must be locked. SQLite has one writer."""
    return bool(connection.features.has_select_for_update)


def lock(of: str, *, skip: bool = False) -> str:
    """Return the SQL clause that locks the rows of the table with the alias `of`; "" on SQLite.

    With `skip`, the SELECT leaves out rows that other transactions have locked.
    """
    if not several_write():
        return ""
    return f" FOR NO KEY UPDATE OF {of}" + (" SKIP LOCKED" if skip else "")


@lru_cache
def _field(model: type[Model], name: str) -> Field[Any, Any]:
    return cast("Field[Any, Any]", model._meta.get_field(name))


class Columns(Generic[M]):
    """The columns of a model in a SELECT, and the conversion of a row to an instance.

    `alias` is the table's alias in the statement. With `only`, the other fields are deferred.
    """

    def __init__(self, model: type[M], alias: str, only: Sequence[str] = ()) -> None:
        self._model = model
        self._fields = [field for field in model._meta.concrete_fields if not only or field.attname in only]
        self._names = [field.attname for field in self._fields]
        self._converters: list[tuple[int, Any, Any]] | None = None
        self.sql = ", ".join(f'{alias}."{field.column}"' for field in self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def read(self, values: Sequence[Any]) -> M:
        """Return the instance with these values, in the order of `sql`."""
        read = list(values)
        if self._converters is None:
            self._converters = self._find_converters()
        for position, convert, column in self._converters:
            read[position] = convert(read[position], column, connection)
        # `Model.from_db` without its slow parts: setting each field by its descriptor, and sending two signals.
        instance = self._model.__new__(self._model)
        instance._state = ModelState()
        instance._state.adding, instance._state.db = False, DEFAULT_DB_ALIAS
        instance.__dict__.update(zip(self._names, read, strict=True))
        return instance

    def _find_converters(self) -> list[tuple[int, Any, Any]]:
        """Return the functions that convert the database's values to Python's: position, function, column."""
        columns = [field.get_col(self._model._meta.db_table) for field in self._fields]
        return [
            (position, convert, column)
            for position, (field, column) in enumerate(zip(self._fields, columns, strict=True))
            for convert in [*connection.ops.get_db_converters(column), *field.get_db_converters(connection)]
        ]
