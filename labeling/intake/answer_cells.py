"""Read answers in rows: class names, lists of class names, yes or no, as the project's question requires."""

import json
from typing import Any, NamedTuple

from labeling.intake.rules import Rules
from labeling.kinds import BadValue
from labeling.kinds.wording import excerpt, is_blank, plain, type_name, whole
from labeling.questions import InvalidValue
from labeling.questions.verify import YES_OR_NO


class Verdict(NamedTuple):
    """What a person said of one proposed class: whether it applies; None if no one has said. To a question that
    proposes no class, one that does not apply is no answer.
    """

    name: str
    applies: bool | None

    def __str__(self) -> str:
        return f"not {self.name}" if self.applies is False else self.name


class ClassIndex(NamedTuple):
    """The place of a class, from 0, among the project's classes, or in the list where it has this name; or the answer
    itself, if the answers are numbers.
    """

    number: int
    name: str = ""

    def __str__(self) -> str:
        return str(self.number)


def as_answer(value: Any, rules: Rules) -> Any:
    """Return the value of a cell as an answer to the project's question has it: without arrays, verdicts, and indices
    of classes. An index that no class has stays one.
    """
    if isinstance(value, ClassIndex):
        if rules.answers_are_numbers:
            return str(value)
        if value.name:
            return value.name
        return rules.classes[value.number] if value.number < len(rules.classes) else value
    if isinstance(value, Verdict):
        return value.applies if rules.question.proposes else None if value.applies is False else value.name
    return plain(value)


def read_answer(value: Any, column: str, rules: Rules) -> Any:
    """Return the answer in this column; None for an empty value. Raises `BadValue`."""
    value = as_answer(value, rules)
    if isinstance(value, ClassIndex):
        last = len(rules.classes) - 1
        raise BadValue(
            f"{column} {value} is no index of a class: those of this project are 0 to {last}, in their order"
        )
    if is_blank(value):
        return None
    question = rules.question
    parts = question.split(value)
    if not question.several and all(map(is_blank, parts)):
        return None
    try:
        answer = question.from_parts(question.spelled(parts, lambda part: one_of(part, column, rules)))
        question.parse(answer, rules.indices)
    except InvalidValue as error:
        raise BadValue(f"{column} {excerpt(str(error))}") from None
    return answer


def drop_unknown(left: dict[str, Any], rules: Rules) -> None:
    """Remove each label from a row's fields that is no answer to the project's question."""
    for column in ("label", "gold", "suggestion", "truth"):
        try:
            read_answer(plain(left.get(column)), column, rules)
        except BadValue:
            del left[column]


def one_of(value: Any, column: str, rules: Rules) -> str:
    """Return the class with this name, as `Rules.class_named`; a number is read as its text. Raises `BadValue`."""
    value = whole(value)
    name = str(value) if isinstance(value, (str, int)) else None
    if name is None:
        raise BadValue(f'column "{column}" must name a class, not hold a {type_name(value)}')
    if (known := rules.class_named(name)) is not None:
        return known
    some = ", ".join(rules.classes[:5]) + (", …" if len(rules.classes) > 5 else "")
    raise BadValue(f'{column} "{excerpt(name)[:60]}" is not a class of this project ({excerpt(some)})')


def yes_or_no(value: Any, column: str) -> bool | None:
    """Return true or false, or None if the value is empty. Raises `BadValue`."""
    if is_blank(value):
        return None
    try:
        return YES_OR_NO[str(value).strip().lower()]
    except KeyError:
        text = excerpt(str(value))[:60]
        raise BadValue(f'{column} "{text}" is not one of true, false, 1, 0, yes, no') from None


def as_json(value: Any) -> Any:
    """Return the parsed JSON list or object of a CSV cell; any other value unchanged."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
