"""The addresses of the pages."""

from django.urls import path

from labeling.web.account import forgotten, notices, provider, second_factor
from labeling.web.account import views as account
from labeling.web.account.invitation import invitation
from labeling.web.account.views import SignIn, SignOut
from labeling.web.auditlog import views as auditlog
from labeling.web.batches import running_batch
from labeling.web.batches import views as batches
from labeling.web.classes import proposals
from labeling.web.classes import views as classes
from labeling.web.datasets import views as datasets
from labeling.web.export import views as engineer
from labeling.web.find import views as find
from labeling.web.finish import views as finish
from labeling.web.finish.certificate import certificate
from labeling.web.imports import views as imports
from labeling.web.items import changes
from labeling.web.items import views as items
from labeling.web.label.views import label_classes, label_guidelines, label_page, label_today, label_worker
from labeling.web.lifecycle import views as lifecycle
from labeling.web.members import views as members
from labeling.web.members.invitations import answer_invitation
from labeling.web.models import comparing, prediction_sets, predictions, privacy
from labeling.web.models import views as versions
from labeling.web.overview import agreement, progress
from labeling.web.overview import views as project
from labeling.web.overview.home import home
from labeling.web.review import comments
from labeling.web.review import views as reviews
from labeling.web.server import views as server
from labeling.web.settings import create, encoder, guidelines
from labeling.web.settings import views as settings
from labeling.web.sources import views as sources
from labeling.web.webhooks import views as webhooks

SECOND = "account/second-factor/"
PROJECT = "p/<slug:slug>/"
MEMBER = f"{PROJECT}members/<word:username>/"
ITEM = f"{PROJECT}items/<int:item_id>/"
CLASS = f"{PROJECT}classes/<int:index>/"
BATCH = f"{PROJECT}batches/<int:number>/"
SOURCE = f"{PROJECT}sources/<int:source_id>/"
WEBHOOK = f"{PROJECT}webhooks/<int:webhook_id>/"

urlpatterns = [
    path("", home, name="home"),
    path("login/", SignIn.as_view(), name="login"),
    path("login/", SignIn.as_view(), name="account_login"),  # as allauth calls it
    path("login/provider/", provider.begin, name="provider-login"),
    path("login/provider/callback/", provider.callback, name="provider-callback"),
    path("login/forgotten/", forgotten.ask, name="forgotten-password"),
    path("login/new-password/<uidb64>/<token>/", forgotten.NewPassword.as_view(), name="new-password"),
    path("logout/", SignOut.as_view(), name="logout"),
    path("setup/", account.setup, name="setup"),
    path("invitation/<word:token>/", invitation, name="invitation"),
    path("invitations/<int:invitation_id>/", answer_invitation, name="invitation-answer"),
    path(f"{PROJECT}label/", label_page, name="label"),
    path(f"{PROJECT}label/classes/", label_classes, name="label-classes"),
    path(f"{PROJECT}label/guidelines/", label_guidelines, name="label-guidelines"),
    path(f"{PROJECT}label/today/", label_today, name="label-today"),
    path(f"{PROJECT}label/worker.js", label_worker, name="label-worker"),
    path(f"{PROJECT}label/comments/", comments.own_comments, name="label-comments"),
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
    path(PROJECT, project.overview, name="project"),
    path(f"{PROJECT}find/", find.find, name="project-find"),
    path(f"{PROJECT}batches/", batches.batch_list, name="project-batches"),
    path(BATCH, batches.batch_detail, name="project-batch"),
    path(f"{PROJECT}loop/", project.set_loop, name="project-loop"),
    path(f"{BATCH}retry/", project.retry_batch, name="project-retry"),
    path(f"{BATCH}parts/", running_batch.keep_part, name="project-batch-parts"),
    path(f"{BATCH}parts/<int:part_id>/lift/", running_batch.lift_part, name="project-batch-part-lift"),
    path(f"{BATCH}end/", batches.end_batch, name="project-batch-end"),
    path(f"{PROJECT}import/", imports.imports, name="project-import"),
    path(f"{PROJECT}import/progress/", imports.imports_progress, name="project-import-progress"),
    path(f"{PROJECT}imports/<int:import_id>/", imports.import_detail, name="project-import-detail"),
    path(f"{PROJECT}imports/<int:import_id>/retry/", imports.import_retry, name="project-import-retry"),
    path(f"{PROJECT}settings/", settings.settings, name="project-settings"),
    path(f"{PROJECT}settings/consequence/", settings.settings_consequence, name="project-consequence"),
    path(f"{PROJECT}settings/guidelines/", guidelines.edit, name="project-guidelines-edit"),
    path(f"{PROJECT}settings/<slug:page>/", settings.settings, name="project-settings-page"),
    path(f"{PROJECT}guidelines/<int:number>/restore/", guidelines.restore, name="project-guidelines-restore"),
    path(f"{PROJECT}guidelines/images/", guidelines.images, name="project-guidelines-images"),
    path(
        f"{PROJECT}guidelines/images/<str:image>/remove/",
        guidelines.remove_image,
        name="project-guidelines-image-remove",
    ),
    path(f"{PROJECT}manage/", lifecycle.manage, name="project-manage"),
    path(f"{PROJECT}archive/", lifecycle.archive, name="project-archive"),
    path(f"{PROJECT}duplicate/", lifecycle.copy, name="project-duplicate"),
    path(f"{PROJECT}delete/", lifecycle.delete, name="project-delete"),
    path(f"{MEMBER}transfer/", lifecycle.transfer, name="project-transfer"),
    path(f"{PROJECT}classes/", classes.class_list, name="project-classes"),
    path(f"{PROJECT}classes/undo/", classes.undo, name="project-classes-undo"),
    path(f"{PROJECT}classes/proposals/accept/", proposals.accept, name="project-proposal-accept"),
    path(f"{PROJECT}classes/proposals/dismiss/", proposals.dismiss, name="project-proposal-dismiss"),
    path(CLASS, classes.class_detail, name="project-class"),
    path(f"{CLASS}merge/", classes.merge_preview, name="project-class-merge"),
    path(f"{CLASS}merged/", classes.merge, name="project-class-merged"),
    path(f"{CLASS}split/", classes.split_preview, name="project-class-split"),
    path(f"{CLASS}split/done/", classes.split, name="project-class-split-done"),
    path(f"{CLASS}archive/", classes.archive, name="project-class-archive"),
    path(f"{PROJECT}encoder/", encoder.encoder, name="project-encoder"),
    path(f"{PROJECT}encoder/change/", encoder.change, name="project-encoder-change"),
    path(f"{PROJECT}encoder/server/", encoder.server, name="project-embedding-server"),
    path(
        f"{PROJECT}encoder/server/<int:server_id>/remove/",
        encoder.remove_server,
        name="project-embedding-server-remove",
    ),
    path(f"{PROJECT}encoder/measure/", encoder.measure, name="project-encoder-measure"),
    path(f"{PROJECT}model/", settings.model, name="project-learner"),
    path(f"{PROJECT}clustering/anew/", settings.cluster_anew, name="project-cluster-anew"),
    path(f"{PROJECT}models/<int:number>/release/", privacy.release, name="project-model-release"),
    path(f"{PROJECT}sources/", sources.sources, name="project-sources"),
    path(SOURCE, sources.source, name="project-source"),
    path(f"{SOURCE}credentials/", sources.credentials, name="project-source-credentials"),
    path(f"{SOURCE}test/", sources.test, name="project-source-test"),
    path(f"{SOURCE}look/", sources.look, name="project-source-look"),
    path(f"{SOURCE}pause/", sources.pause, name="project-source-pause"),
    path(f"{SOURCE}remove/", sources.remove_source, name="project-source-remove"),
    path(f"{PROJECT}webhooks/", webhooks.webhooks, name="project-webhooks"),
    path(WEBHOOK, webhooks.webhook, name="project-webhook"),
    path(f"{WEBHOOK}secret/", webhooks.new_secret, name="project-webhook-secret"),
    path(f"{WEBHOOK}test/", webhooks.send_test, name="project-webhook-test"),
    path(f"{WEBHOOK}pause/", webhooks.pause, name="project-webhook-pause"),
    path(f"{WEBHOOK}remove/", webhooks.remove_webhook, name="project-webhook-remove"),
    path(f"{WEBHOOK}deliveries/<int:delivery_id>/again/", webhooks.send_again, name="project-delivery-again"),
    path(f"{PROJECT}members/", members.members, name="project-members"),
    path(f"{PROJECT}auditlog/", auditlog.project_log, name="project-auditlog"),
    path(f"{PROJECT}models/<int:number>/use/", versions.use, name="project-model-use"),
    path(f"{PROJECT}models/automatic/", versions.use_gate, name="project-models-automatic"),
    path(
        f"{PROJECT}invitations/<int:invitation_id>/withdraw/",
        members.withdraw_invitation,
        name="project-invitation-withdraw",
    ),
    path(f"{PROJECT}invitations/<int:invitation_id>/link/", members.renew_invitation, name="project-invitation-renew"),
    path(f"{MEMBER}role/", members.change_role, name="project-role"),
    path(f"{MEMBER}pause/", members.pause_member, name="project-member-pause"),
    path(f"{MEMBER}remove/", members.remove_member, name="project-remove"),
    path(f"{PROJECT}items/change/", changes.change_items, name="project-items-change"),
    path(f"{ITEM}example/", items.choose_example, name="project-item-example"),
    path(f"{PROJECT}review/", reviews.review, name="project-review"),
    path(f"{PROJECT}review/<int:item_id>/", reviews.review_item, name="project-review-item"),
    path(f"{ITEM}comment/", comments.comment_item, name="project-item-comment"),
    path(f"{ITEM}correct/", items.correct_item, name="project-item-correct"),
    path(f"{ITEM}withdraw/", items.withdraw_correction, name="project-item-withdraw"),
    path(f"{PROJECT}items/", items.item_list, name="project-items"),
    path(f"{PROJECT}items/classes/", items.class_proposals, name="project-item-classes"),
    path(ITEM, items.item_detail, name="project-item"),
    path(f"{PROJECT}guidelines/", guidelines.history, name="project-guidelines"),
    path(f"{PROJECT}progress/", progress.progress, name="project-progress"),
    path(f"{PROJECT}near-copies/", agreement.near_copies, name="project-copies"),
    path(f"{PROJECT}agreement/", agreement.agreement, name="project-agreement"),
    path(f"{PROJECT}models/", versions.models, name="project-models"),
    path(f"{PROJECT}models/compare/", comparing.compare, name="project-models-compare"),
    path(f"{PROJECT}models/register/", prediction_sets.register, name="project-model-register"),
    path(f"{PROJECT}models/<int:number>/", versions.model, name="project-model"),
    path(f"{PROJECT}models/<int:number>/mlflow/", versions.track, name="project-model-mlflow"),
    path(f"{PROJECT}models/<int:number>/predict/", predictions.predict, name="project-model-predict"),
    path(f"{PROJECT}predictions/<int:prediction_id>/", predictions.prediction, name="project-prediction"),
    path(
        f"{PROJECT}predictions/<int:prediction_id>/remove/",
        predictions.remove_prediction,
        name="project-prediction-remove",
    ),
    path(f"{PROJECT}prediction-sets/", prediction_sets.prediction_sets, name="project-prediction-sets"),
    path(f"{PROJECT}prediction-server/", prediction_sets.server, name="project-prediction-server"),
    path(f"{PROJECT}prediction-server/ask/", prediction_sets.ask, name="project-prediction-server-ask"),
    path(f"{PROJECT}prediction-server/remove/", prediction_sets.remove_set, name="project-prediction-server-remove"),
    path(f"{PROJECT}finish/", finish.finish, name="project-finish"),
    path(f"{PROJECT}finish/stop/", finish.stop, name="project-finish-stop"),
    path(f"{PROJECT}certificates/<int:number>/", certificate, name="project-certificate"),
    path(f"{PROJECT}privacy/", privacy.privacy, name="project-privacy"),
    path(f"{PROJECT}export/", engineer.export, name="project-export"),
    path(f"{PROJECT}datasets/", datasets.datasets, name="project-datasets"),
    path(f"{PROJECT}datasets/<str:name>/", datasets.dataset, name="project-dataset"),
]
