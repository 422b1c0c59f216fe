"""The home page, and the pages of how a project goes: state, progress, agreement, payoff. Their figures are in
`labeling.insight`.
"""
