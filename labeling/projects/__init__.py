"""What managers decide about a project: classes, people, settings, encoder, privacy budget, its end. No batches.

Its subjects, each of which imports only those above it:

    settings, limits, quota       what a project may have
    people/                       members, roles, invitations
    privacy/                      the ledger of private trainings
    encoders/, model_settings     what is learned from, and what learns
    classes/                      classes, guidelines, proposals
    create, duplicating, lifecycle, erasing_items, erasing_projects, bulk, version_in_use
"""
