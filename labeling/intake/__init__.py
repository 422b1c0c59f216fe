"""Files in: from an upload, a path on the server, or a source to the items of a project.

    upload ── uploads.store_upload ──┐
    source ── fetching.fetch ────────┼─→ readers.open_source ─→ records ─→ drafts.check_row ─→ checking.chunks
    path on the server ──────────────┘                                                             │
    another project ── copying ───────────────────────────────────→ chunk_writing.write_part ←─────┘

`parked` keeps an upload whose columns or labels a person has to settle: `guessing` opens the file and guesses its
layout, `looking` reads its first rows and counts its labels in the same opening, and `uploads.begin` starts the import,
which is the step `run.import_items`. `starting` keeps a file before its project is there. Predictions and models that
people send take the first part of the way alone: `prediction_sets`, `registering`.

What a reader knows of a file is in `readers`; what a column of answers means, in `answer_cells` and `row_labels`.
"""
