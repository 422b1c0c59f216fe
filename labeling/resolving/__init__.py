"""What several people's answers to one item amount to, and how sure that is. Values in, values out: no rows.

`posterior` weighs the answers to one item, while people wait; `people` and `dawid_skene` look at all answers of a
project, and learn from them how reliable each person is. What they stand on: docs/decisions/0049 and 0050.
"""
