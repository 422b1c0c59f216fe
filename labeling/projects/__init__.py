"""What managers decide about a project: classes, people, settings, encoder, privacy budget, its end. No batches.

Its subjects, each of which imports only those above it:

    settings    settings, limits, quota; invisible: characters that mislead
    people      access, members, invitations, second_factors
    privacy     families, budgets, ledger, pretraining
    encoders    encoder_settings, embedding_servers, encoder_comparison, encoder_change; model_settings
    classes     class_changes, classes, proposals, examples; guidelines, guidelines_images
    items       visible_files, bulk, version_in_use
    project     create, duplicating, lifecycle, erasing_items, erasing_projects
"""
