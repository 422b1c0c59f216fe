"""The table of fields: for each resource of the API, the roles that can read each field.

To add a field, add its name to the line of the ability that opens it. The tests fail for a field without a line, and
for a role that reads more or less than the table says. Nested fields are named by their path, `item.id`.

Annotators must not be able to tell control tasks from others: docs/decisions/07-nothing-tells-a-task.md.
"""

from labeling.projects.settings import SETTINGS

# The names of the fields by the ability that opens them.
Fields = dict[str, str]

PROJECT: Fields = {
    "project.read": "slug name kind question classes prompt guidelines guidelines_version loop created_at archived_at",
    "batches.read": " ".join(name for name in SETTINGS if name != "loop"),
}
BATCH: Fields = {
    "project.read": "number state size remaining answered overlap deadline_at created_at opened_at completed_at "
    "done_at",
    "batches.read": "reason strategy seed batch_size candidate_factor candidates mean_cluster_size cut_height clusters "
    "class_guard control_share control_tasks pool_size pool_rows features_hash margins_hash dendrogram_hash "
    "selected_by newest_version chosen_by model_version select_seconds kept selection "
    "earlier_selections further overlap_max dropped complete_share",
}
PART: Fields = {"members.read": "id username group start stop unanswered people"}
VERSION: Fields = {
    "models.read": "version origin batch parent labels labels_hash dataset digest seed training metrics control_now "
    "in_use held_back gate calibration seconds created_at",
}
DATASET = {
    "labels.read": "number name note filters automatic state reason rows digest models replaced created_by created_at"
}
SOURCE: Fields = {
    "sources.change": "id name address options has_credentials content layout by_reference schedule full_schedule "
    "paused looking parked_import found problem looked_at full_looked_at next_look_at next_full_at created_at"
}
WEBHOOK: Fields = {"webhooks.change": "id url events paused pause_reason created_at"}
CERTIFICATE: Fields = {
    "batches.read": "number attempt version labels each_class most_wrong error confidence threshold asked found digest "
    "issued_at suspended_at suspended_for",
}
CLASS: Fields = {
    "project.read": "index name position description key colour aliases parent archived_at examples merged_into",
}
ITEM = "id external_id media_url state label agreement labeled_at batch rank margin is_control"
ITEM += " annotators flagged corrected gold queued excluded deleted"
IMPORT: Fields = {
    "imports.read": "id name state reason position total accepted labeled rejected existing rejected_by_reason strict "
    "created_at finished_at",
}
PREDICTION: Fields = {
    "models.read": "id version name state reason position total predicted rejected probabilities created_at "
    "finished_at expires_at url result_url rejections",
}
TRACKED: Fields = {
    "models.read": "version state reason model_name model_version page created_at finished_at",
}
REGISTRATION: Fields = {
    "models.read": "id name state reason version source url created_by created_at finished_at",
}
PREDICTION_SET: Fields = {
    "models.read": "id name state reason strict left_out items version url created_at finished_at"
}
TASK: Fields = {"tasks.answer": "id batch rank item.id item.external_id item.data item.media_url"}

# By the name of the address. Lists are read by their elements.
FIELDS: dict[str, Fields] = {
    "api:projects": PROJECT,
    "api:project": PROJECT,
    "api:project-deletion": {"settings.read": "items labels annotations models members bytes"},
    "api:guidelines": {"labels.read": "version text user created_at answers"},
    "api:guidelines-images": {"labels.read": "name alt_text url bytes user created_at"},
    "api:encoder": {"models.read": "name options digest meaning why settled next known weights"},
    "api:embedding-servers": {"settings.read": "id address has_key price tokens cost tokens_of_all"},
    "api:encoder-comparison": {"models.read": "state share reason labels drawn asked_at measured_at encoders"},
    "api:classes": CLASS,
    "api:class": CLASS,
    "api:proposals": {"settings.read": "key name people items"},
    "api:class-changes": {"labels.read": "revision kind text classes user created_at undone_at"},
    "api:members": {"members.read": "username role group daily_limit paused_at pause_reason"},
    "api:invitations": {"members.read": "id role name to_account limit used invited_by created_at expires_at"},
    "api:items": {"items.read": ITEM},
    "api:item": {
        "items.read": f"{ITEM} data source proposed encode_error correctable certified annotations corrections "
        "removals propagated learned_by selection.selected_by selection.selection selection.replaces selection.margin "
        "selection.cluster selection.cluster_size selection.draw_pass selection.predicted selection.confidence",
    },
    "api:item-comments": {"items.read": "user to text created_at read_at"},
    "api:item-changes": {
        "imports.read": "id action filter by total seen changed failure created_at finished_at",
    },
    "api:imports": IMPORT,
    "api:import": IMPORT,
    "api:progress": {
        "project.read": "loop batch state reason size remaining answered answers is_final phase share seconds_left "
        "step_seconds_left retry_at "
        "own.answered own.skipped",
        "batches.read": "detail",
    },
    "api:batches": BATCH,
    "api:batch-parts": PART,
    "api:batch": BATCH,
    "api:models": VERSION,
    "api:model": VERSION,
    "api:model-in-use": {"models.read": "version newest by_gate chosen_by chosen_at"},
    "api:model-mlflow": TRACKED,
    "api:registrations": REGISTRATION,
    "api:registration": REGISTRATION,
    "api:predictions": PREDICTION,
    "api:prediction": PREDICTION,
    "api:prediction-sets": PREDICTION_SET,
    "api:prediction-set": PREDICTION_SET,
    "api:prediction-server": {"models.change": "url username"},
    "api:payoff": {"batches.read": "advice control versions version spent saved missing reason next more_control"},
    "api:finish": {
        "batches.read": "progress running goal started_by started_at forecast refused need_one_more audits",
    },
    "api:sources": SOURCE,
    "api:source": SOURCE,
    "api:webhooks": WEBHOOK,
    "api:webhook": WEBHOOK,
    "api:webhook-deliveries": {
        "webhooks.change": "id event message_id payload state attempts tried_at next_at status error response"
    },
    "api:certificates": CERTIFICATE,
    "api:datasets": DATASET,
    "api:dataset": DATASET,
    "api:dataset-verification": {"labels.read": "digest whole problems replaced"},
    "api:certificate": CERTIFICATE,
    "api:agreement": {
        "labels.read": "items answers people whole percent cohen fleiss alpha ordinal pairs classes confusions others "
        "gold "
        "anchoring"
    },
    "api:near-copies": {"labels.read": "shown answered same propagated due right radius reach classes"},
    "api:privacy": {
        "models.read": "private limit delta spent left labels labels_needed noise trainings flaw elsewhere"
    },
    "api:clustering": {
        "models.read": "embedded_by created_at rows seconds joined_rows joined_share drifted kept_share described_then "
        "described_now measured_by digest anew_at",
    },
    # What annotators send, and what they are answered.
    "api:claim": {
        "tasks.answer": "batch open_batches class_revision guidelines_version tasks lease_expires_at claimed_at "
        "remaining"
    },
    "api:annotations": {"tasks.answer": "accepted rejected class_revision"},
    "api:skip": {"tasks.answer": "accepted rejected class_revision"},
    "api:release": {"tasks.answer": "released"},
    "api:annotation": TASK,
}

# Files, what has its fields in a reference of its own, and what is the caller's own; who may read them whole stands in
# doors.py.
FILES = {
    "api:comments", "api:deleted-projects", "api:guidelines-image", "api:item-media", "api:rejected-rows",
    "api:auditlog-file", "api:certificate-file", "api:server-auditlog-file", "api:model-artifact",
    "api:models-compare", "api:model-measured-blind", "api:prediction-result",
    "api:export", "api:dataset-card", "api:dataset-comparison", "api:dataset-manifest",
}  # fmt: skip
