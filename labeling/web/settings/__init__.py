"""The pages on which managers set up a project: creation, settings with their consequences, encoder, model, guidelines.
No classes, no members.
"""
