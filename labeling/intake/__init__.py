"""Files in: from an upload, a folder or a source to items, labels and predictions. Looking for new files is in
`labeling.intake.watching`.
"""
