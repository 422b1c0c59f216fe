"""What each column of an export means, in a line. docs/reference/export.md has it at length."""

MEANINGS = {
    "item": "the item's id in Marginalia",
    "external_id": "the id that it was imported with",
    "data": "the fields that it was imported with",
    "media": "the image's name; empty for texts and vectors",
    "proposed": "the class to confirm, where the question is yes or no",
    "label": "the class, the list of classes, or yes and no",
    "agreement": "the share of its annotations that agree with the label",
    "annotations": "every answer: annotator, value, seconds, flag, time",
    "skips": "who skipped it, and why",
    "batch": "the batch that it was labeled in",
    "rank": "its place in that batch",
    "model_version": "the model version that picked the batch",
    "learned_by": "the first version that learned from the label",
    "is_control": "whether it is in the control slice",
    "control_probability": "for control items, the probability with which it was drawn",
    "margin": "p(best class) − p(second class) when it was picked",
    "cluster": "its cluster at that time",
    "cluster_size": "candidates in that cluster",
    "draw_pass": "the pass in which it was drawn",
    "labeled_at": "when its label was settled",
}
