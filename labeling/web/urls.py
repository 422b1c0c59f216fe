"""The addresses of the pages."""

from collections.abc import Callable

from django.http import HttpResponse
from django.urls import URLPattern, path

from labeling.web import auditlog, export, find, lifecycle, members, server, sources, webhooks
from labeling.web.account import notices, provider, second_factor
from labeling.web.account import views as account
from labeling.web.account.invitation import invitation
from labeling.web.account.views import SignIn, SignOut
from labeling.web.batches import running_batch
from labeling.web.batches import views as batches
from labeling.web.classes import views as classes
from labeling.web.finish import views as finish
from labeling.web.imports import views as imports
from labeling.web.items import changes
from labeling.web.items import views as items
from labeling.web.label import label_classes, label_guidelines, label_page, label_today, label_worker
from labeling.web.members import answer_invitation
from labeling.web.models import comparing, predictions, privacy
from labeling.web.models import views as versions
from labeling.web.overview import agreement, progress
from labeling.web.overview import views as project
from labeling.web.overview.home import home
from labeling.web.review import comments
from labeling.web.review import views as reviews
from labeling.web.settings import create, encoder, guidelines
from labeling.web.settings import views as settings

SECOND = "account/second-factor/"
MEMBER = "members/<word:username>/"
ITEM = "items/<int:item_id>/"
CLASS = "classes/<int:index>/"
BATCH = "batches/<int:number>/"
SOURCE = "sources/<int:source_id>/"
WEBHOOK = "webhooks/<int:webhook_id>/"


def of_project(address: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
    """Return an address below that of a project, with its view and its name."""
    return path(f"p/<slug:slug>/{address}", view, name=name)


urlpatterns = [
    path("", home, name="home"),
    path("login/", SignIn.as_view(), name="login"),
    path("login/", SignIn.as_view(), name="account_login"),  # as allauth calls it
    path("login/provider/", provider.begin, name="provider-login"),
    path("login/provider/callback/", provider.callback, name="provider-callback"),
    path("login/forgotten/", account.ask_for_link, name="forgotten-password"),
    path("login/new-password/<uidb64>/<token>/", account.NewPassword.as_view(), name="new-password"),
    path("logout/", SignOut.as_view(), name="logout"),
    path("setup/", account.setup, name="setup"),
    path("invitation/<word:token>/", invitation, name="invitation"),
    path("certificate/<word:token>/", finish.shared, name="certificate"),
    path("invitations/<int:invitation_id>/", answer_invitation, name="invitation-answer"),
    of_project("label/", label_page, "label"),
    of_project("label/classes/", label_classes, "label-classes"),
    of_project("label/guidelines/", label_guidelines, "label-guidelines"),
    of_project("label/today/", label_today, "label-today"),
    of_project("label/worker.js", label_worker, "label-worker"),
    of_project("label/comments/", comments.own_comments, "label-comments"),
    path("server/", server.server_page, name="server"),
    path("auditlog/", auditlog.server_log, name="server-auditlog"),
    path("deleted/", lifecycle.deleted, name="projects-deleted"),
    path("new/", create.new_project, name="project-new"),
    path("new/file/", create.new_project_file, name="project-new-file"),
    path("new/preview/", guidelines.preview, name="guidelines-preview"),
    path("account/", account.account, name="account"),
    path("account/notices/", notices.notices, name="notices"),
    path("account/notices/choices/", notices.choices, name="notice-choices"),
    path("account/notices/address/<str:token>/", notices.address, name="notice-address"),
    path("account/notices/stop/<str:token>/", notices.stop, name="notice-stop"),
    path("account/provider/unlink/", provider.unlink, name="provider-unlink"),
    path("account/sessions/<int:session_id>/end/", account.end_session, name="session-end"),
    path("account/confirm/", second_factor.Confirm.as_view(), name="account_reauthenticate"),
    # The names by which allauth finds them.
    path(SECOND, second_factor.index, name="mfa_index"),
    path(f"{SECOND}app/add/", second_factor.AddApp.as_view(), name="mfa_activate_totp"),
    path(f"{SECOND}app/remove/", second_factor.RemoveApp.as_view(), name="mfa_deactivate_totp"),
    path(f"{SECOND}passkeys/add/", second_factor.AddPasskey.as_view(), name="mfa_add_webauthn"),
    path(f"{SECOND}passkeys/<int:pk>/remove/", second_factor.RemovePasskey.as_view(), name="mfa_remove_webauthn"),
    path(f"{SECOND}codes/", second_factor.Codes.as_view(), name="mfa_view_recovery_codes"),
    path(f"{SECOND}codes/new/", second_factor.NewCodes.as_view(), name="mfa_generate_recovery_codes"),
    path("login/second-factor/", second_factor.Authenticate.as_view(), name="mfa_authenticate"),
    path("account/theme/", account.theme, name="theme"),
    path("account/language/", account.language, name="language"),
    path("account/password/", account.ChangePassword.as_view(), name="password"),
    path("account/tokens/<word:key>/revoke/", account.revoke_token, name="token-revoke"),
    of_project("", project.overview, "project"),
    of_project("find/", find.find, "project-find"),
    of_project("batches/", batches.batch_list, "project-batches"),
    of_project(BATCH, batches.batch_detail, "project-batch"),
    of_project("loop/", project.set_loop, "project-loop"),
    of_project(f"{BATCH}retry/", project.retry_batch, "project-retry"),
    of_project(f"{BATCH}parts/", running_batch.keep_part, "project-batch-parts"),
    of_project(f"{BATCH}parts/<int:part_id>/lift/", running_batch.lift_part, "project-batch-part-lift"),
    of_project(f"{BATCH}end/", batches.end_batch, "project-batch-end"),
    of_project("import/", imports.imports, "project-import"),
    of_project("import/progress/", imports.imports_progress, "project-import-progress"),
    of_project("imports/<int:import_id>/", imports.import_detail, "project-import-detail"),
    of_project("imports/<int:import_id>/retry/", imports.import_retry, "project-import-retry"),
    of_project("settings/", settings.settings, "project-settings"),
    of_project("settings/consequence/", settings.settings_consequence, "project-consequence"),
    of_project("settings/guidelines/", guidelines.edit, "project-guidelines-edit"),
    of_project("settings/<slug:page>/", settings.settings, "project-settings-page"),
    of_project("guidelines/<int:number>/restore/", guidelines.restore, "project-guidelines-restore"),
    of_project("guidelines/images/", guidelines.images, "project-guidelines-images"),
    of_project("guidelines/images/<str:image>/remove/", guidelines.remove_image, "project-guidelines-image-remove"),
    of_project("manage/", lifecycle.manage, "project-manage"),
    of_project("archive/", lifecycle.archive, "project-archive"),
    of_project("duplicate/", lifecycle.copy, "project-duplicate"),
    of_project("delete/", lifecycle.delete, "project-delete"),
    of_project(f"{MEMBER}transfer/", lifecycle.transfer, "project-transfer"),
    of_project("classes/", classes.class_list, "project-classes"),
    of_project("classes/undo/", classes.undo, "project-classes-undo"),
    of_project("classes/proposals/accept/", classes.accept_proposal, "project-proposal-accept"),
    of_project("classes/proposals/dismiss/", classes.dismiss_proposal, "project-proposal-dismiss"),
    of_project(CLASS, classes.class_detail, "project-class"),
    of_project(f"{CLASS}merge/", classes.merge_preview, "project-class-merge"),
    of_project(f"{CLASS}merged/", classes.merge, "project-class-merged"),
    of_project(f"{CLASS}split/", classes.split_preview, "project-class-split"),
    of_project(f"{CLASS}split/done/", classes.split, "project-class-split-done"),
    of_project(f"{CLASS}archive/", classes.archive, "project-class-archive"),
    of_project("encoder/", encoder.encoder, "project-encoder"),
    of_project("encoder/change/", encoder.change, "project-encoder-change"),
    of_project("encoder/server/", encoder.server, "project-embedding-server"),
    of_project("encoder/server/<int:server_id>/remove/", encoder.remove_server, "project-embedding-server-remove"),
    of_project("encoder/measure/", encoder.measure, "project-encoder-measure"),
    of_project("model/", settings.model, "project-learner"),
    of_project("clustering/anew/", settings.cluster_anew, "project-cluster-anew"),
    of_project("models/<int:number>/release/", privacy.release, "project-model-release"),
    of_project("sources/", sources.sources, "project-sources"),
    of_project(SOURCE, sources.source, "project-source"),
    of_project(f"{SOURCE}credentials/", sources.credentials, "project-source-credentials"),
    of_project(f"{SOURCE}test/", sources.test, "project-source-test"),
    of_project(f"{SOURCE}look/", sources.look, "project-source-look"),
    of_project(f"{SOURCE}pause/", sources.pause, "project-source-pause"),
    of_project(f"{SOURCE}remove/", sources.remove_source, "project-source-remove"),
    of_project("webhooks/", webhooks.webhooks, "project-webhooks"),
    of_project(WEBHOOK, webhooks.webhook, "project-webhook"),
    of_project(f"{WEBHOOK}secret/", webhooks.new_secret, "project-webhook-secret"),
    of_project(f"{WEBHOOK}test/", webhooks.send_test, "project-webhook-test"),
    of_project(f"{WEBHOOK}pause/", webhooks.pause, "project-webhook-pause"),
    of_project(f"{WEBHOOK}remove/", webhooks.remove_webhook, "project-webhook-remove"),
    of_project(f"{WEBHOOK}deliveries/<int:delivery_id>/again/", webhooks.send_again, "project-delivery-again"),
    of_project("members/", members.members, "project-members"),
    of_project("auditlog/", auditlog.project_log, "project-auditlog"),
    of_project("models/<int:number>/use/", versions.use, "project-model-use"),
    of_project("models/automatic/", versions.use_gate, "project-models-automatic"),
    of_project("invitations/<int:invitation_id>/withdraw/", members.withdraw_invitation, "project-invitation-withdraw"),
    of_project("invitations/<int:invitation_id>/link/", members.renew_invitation, "project-invitation-renew"),
    of_project(f"{MEMBER}role/", members.change_role, "project-role"),
    of_project(f"{MEMBER}pause/", members.pause_member, "project-member-pause"),
    of_project(f"{MEMBER}remove/", members.remove_member, "project-remove"),
    of_project("items/change/", changes.change_items, "project-items-change"),
    of_project(f"{ITEM}example/", items.choose_example, "project-item-example"),
    of_project("review/", reviews.review, "project-review"),
    of_project("review/<int:item_id>/", reviews.review_item, "project-review-item"),
    of_project(f"{ITEM}comment/", comments.comment_item, "project-item-comment"),
    of_project(f"{ITEM}correct/", items.correct_item, "project-item-correct"),
    of_project(f"{ITEM}withdraw/", items.withdraw_correction, "project-item-withdraw"),
    of_project("items/", items.item_list, "project-items"),
    of_project("items/classes/", items.class_proposals, "project-item-classes"),
    of_project(ITEM, items.item_detail, "project-item"),
    of_project("guidelines/", guidelines.history, "project-guidelines"),
    of_project("progress/", progress.progress, "project-progress"),
    of_project("near-copies/", agreement.near_copies, "project-copies"),
    of_project("agreement/", agreement.agreement, "project-agreement"),
    of_project("models/", versions.models, "project-models"),
    of_project("models/compare/", comparing.compare, "project-models-compare"),
    of_project("models/register/", predictions.register, "project-model-register"),
    of_project("models/<int:number>/", versions.model, "project-model"),
    of_project("models/<int:number>/mlflow/", versions.track, "project-model-mlflow"),
    of_project("models/<int:number>/predict/", predictions.predict, "project-model-predict"),
    of_project("predictions/<int:prediction_id>/", predictions.prediction, "project-prediction"),
    of_project("predictions/<int:prediction_id>/remove/", predictions.remove_prediction, "project-prediction-remove"),
    of_project("prediction-sets/", predictions.prediction_sets, "project-prediction-sets"),
    of_project("prediction-server/", predictions.server, "project-prediction-server"),
    of_project("prediction-server/ask/", predictions.ask, "project-prediction-server-ask"),
    of_project("prediction-server/remove/", predictions.remove_set, "project-prediction-server-remove"),
    of_project("finish/", finish.finish, "project-finish"),
    of_project("finish/stop/", finish.stop, "project-finish-stop"),
    of_project("certificates/<int:number>/", finish.certificate, "project-certificate"),
    of_project("certificates/<int:number>/unshare/", finish.unshare, "project-certificate-unshare"),
    of_project("privacy/", privacy.privacy, "project-privacy"),
    of_project("export/", export.export, "project-export"),
    of_project("datasets/", export.datasets, "project-datasets"),
    of_project("datasets/<str:name>/", export.dataset, "project-dataset"),
]
