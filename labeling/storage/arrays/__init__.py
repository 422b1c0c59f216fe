"""A project's files of numbers, and decisions on arrays alone, such as which rows a batch takes. No tasks."""
