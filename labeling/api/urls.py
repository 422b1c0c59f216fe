"""Addresses below /api/v1/."""

from django.urls import path

from labeling.api import auditlog, batch_parts, batches, datasets, export, finish
from labeling.api.items import comments, imports
from labeling.api.items import views as items
from labeling.api.label import views as queue
from labeling.api.models import (
    clusterings,
    comparisons,
    payoff,
    prediction_sets,
    predictions,
    privacy,
    registrations,
    tracking,
    versions,
)
from labeling.api.projects import (
    agreement,
    classes,
    encoders,
    guidelines,
    guidelines_images,
    invitations,
    lifecycle,
    members,
    near_copies,
    proposals,
    sources,
    webhooks,
)
from labeling.api.projects import views as projects

app_name = "api"

PROJECT = "projects/<slug:slug>/"
SOURCE = f"{PROJECT}sources/<int:source_id>/"
WEBHOOK = f"{PROJECT}webhooks/<int:webhook_id>/"
DATASET = f"{PROJECT}datasets/<str:name>/"

urlpatterns = [
    # The two most frequent addresses come first, because Django compares addresses one after the other.
    path(f"{PROJECT}claim/", queue.Claim.as_view(), name="claim"),
    path(f"{PROJECT}annotations/", queue.Annotations.as_view(), name="annotations"),
    path("projects/", projects.ProjectList.as_view(), name="projects"),
    path("deleted-projects/", lifecycle.DeletedProjects.as_view(), name="deleted-projects"),
    path(PROJECT, projects.ProjectDetail.as_view(), name="project"),
    path(f"{PROJECT}archive/", lifecycle.ProjectArchive.as_view(), name="project-archive"),
    path(f"{PROJECT}deletion/", lifecycle.ProjectDeletion.as_view(), name="project-deletion"),
    path(f"{PROJECT}duplicate/", lifecycle.ProjectCopy.as_view(), name="project-duplicate"),
    path(f"{PROJECT}transfer/", lifecycle.ProjectTransfer.as_view(), name="project-transfer"),
    path(f"{PROJECT}guidelines/", guidelines.GuidelinesList.as_view(), name="guidelines"),
    path(
        f"{PROJECT}guidelines/<int:number>/restore/", guidelines.GuidelinesRestore.as_view(), name="guidelines-restore"
    ),
    path(f"{PROJECT}guidelines/images/", guidelines_images.ImageList.as_view(), name="guidelines-images"),
    path(f"{PROJECT}guidelines/images/<str:image>/", guidelines_images.OneImage.as_view(), name="guidelines-image"),
    path(f"{PROJECT}encoder/", encoders.ProjectEncoder.as_view(), name="encoder"),
    path(f"{PROJECT}encoder/change/", encoders.ProjectEncoderChange.as_view(), name="encoder-change"),
    path(f"{PROJECT}encoder/comparison/", encoders.ProjectEncoderComparison.as_view(), name="encoder-comparison"),
    path(f"{PROJECT}classes/", classes.ClassList.as_view(), name="classes"),
    path(f"{PROJECT}classes/changes/", classes.ClassChanges.as_view(), name="class-changes"),
    path(f"{PROJECT}classes/undo/", classes.ClassUndo.as_view(), name="class-undo"),
    path(f"{PROJECT}classes/proposals/", proposals.ProposalList.as_view(), name="proposals"),
    path(f"{PROJECT}classes/proposals/accept/", proposals.ProposalAccept.as_view(), name="proposal-accept"),
    path(f"{PROJECT}classes/proposals/dismiss/", proposals.ProposalDismiss.as_view(), name="proposal-dismiss"),
    path(f"{PROJECT}classes/<int:index>/", classes.ClassDetail.as_view(), name="class"),
    path(f"{PROJECT}classes/<int:index>/merge/", classes.ClassMerge.as_view(), name="class-merge"),
    path(f"{PROJECT}classes/<int:index>/split/", classes.ClassSplit.as_view(), name="class-split"),
    path(f"{PROJECT}classes/<int:index>/archive/", classes.ClassArchive.as_view(), name="class-archive"),
    path(
        f"{PROJECT}classes/<int:index>/examples/<int:item_id>/",
        classes.ClassExampleDetail.as_view(),
        name="class-example",
    ),
    path(f"{PROJECT}members/", members.MemberList.as_view(), name="members"),
    path(f"{PROJECT}members/<word:username>/", members.MemberDetail.as_view(), name="member"),
    path(f"{PROJECT}members/<word:username>/pause/", members.MemberPause.as_view(), name="member-pause"),
    path("auditlog/file/", auditlog.ServerLogFile.as_view(), name="server-auditlog-file"),
    path(f"{PROJECT}auditlog/file/", auditlog.LogFile.as_view(), name="auditlog-file"),
    path(f"{PROJECT}invitations/", invitations.InvitationList.as_view(), name="invitations"),
    path(f"{PROJECT}invitations/<int:invitation_id>/", invitations.InvitationDetail.as_view(), name="invitation"),
    path(f"{PROJECT}sources/", sources.SourceList.as_view(), name="sources"),
    path(SOURCE, sources.SourceDetail.as_view(), name="source"),
    path(f"{SOURCE}look/", sources.SourceLook.as_view(), name="source-look"),
    path(f"{SOURCE}test/", sources.SourceTried.as_view(), name="source-test"),
    path(f"{PROJECT}webhooks/", webhooks.WebhookList.as_view(), name="webhooks"),
    path(WEBHOOK, webhooks.WebhookDetail.as_view(), name="webhook"),
    path(f"{WEBHOOK}secret/", webhooks.WebhookSecret.as_view(), name="webhook-secret"),
    path(f"{WEBHOOK}test/", webhooks.WebhookTest.as_view(), name="webhook-test"),
    path(f"{WEBHOOK}deliveries/", webhooks.DeliveryList.as_view(), name="webhook-deliveries"),
    path(f"{WEBHOOK}deliveries/<int:delivery_id>/again/", webhooks.DeliverySentAgain.as_view(), name="delivery-again"),
    path(f"{PROJECT}items/", items.Items.as_view(), name="items"),
    path(f"{PROJECT}items/changes/", items.ItemChanges.as_view(), name="item-changes"),
    path(f"{PROJECT}items/<int:item_id>/", items.ItemDetail.as_view(), name="item"),
    path(f"{PROJECT}items/<int:item_id>/correction/", items.ItemCorrection.as_view(), name="item-correction"),
    path(f"{PROJECT}items/<int:item_id>/comments/", comments.ItemComments.as_view(), name="item-comments"),
    path(f"{PROJECT}items/<int:item_id>/media/", imports.ItemMedia.as_view(), name="item-media"),
    path(f"{PROJECT}imports/", imports.ImportList.as_view(), name="imports"),
    path(f"{PROJECT}imports/<int:import_id>/", imports.ImportDetail.as_view(), name="import"),
    path(f"{PROJECT}imports/<int:import_id>/rejected/", imports.RejectedRows.as_view(), name="rejected-rows"),
    path(f"{PROJECT}annotations/<uuid:annotation_id>/", queue.AnnotationDetail.as_view(), name="annotation"),
    path(f"{PROJECT}skip/", queue.Skip.as_view(), name="skip"),
    path(f"{PROJECT}comments/", comments.OwnComments.as_view(), name="comments"),
    path(f"{PROJECT}release/", queue.Release.as_view(), name="release"),
    path(f"{PROJECT}progress/", queue.Progress.as_view(), name="progress"),
    path(f"{PROJECT}batches/", batches.BatchList.as_view(), name="batches"),
    path(f"{PROJECT}batches/<int:number>/", batches.BatchDetail.as_view(), name="batch"),
    path(f"{PROJECT}batches/<int:number>/parts/", batch_parts.BatchParts.as_view(), name="batch-parts"),
    path(f"{PROJECT}batches/<int:number>/parts/<int:part_id>/", batch_parts.OnePart.as_view(), name="batch-part"),
    path(f"{PROJECT}batches/<int:number>/retry/", batches.BatchRetry.as_view(), name="batch-retry"),
    path(f"{PROJECT}batches/<int:number>/end/", batches.BatchEnd.as_view(), name="batch-end"),
    path(f"{PROJECT}models/", versions.VersionList.as_view(), name="models"),
    path(f"{PROJECT}models/compare/", comparisons.VersionComparison.as_view(), name="models-compare"),
    path(f"{PROJECT}models/<int:number>/", versions.VersionDetail.as_view(), name="model"),
    path(f"{PROJECT}models/in-use/", versions.VersionInUse.as_view(), name="model-in-use"),
    path(f"{PROJECT}models/<int:number>/use/", versions.VersionUse.as_view(), name="model-use"),
    path(f"{PROJECT}models/<int:number>/release/", versions.VersionRelease.as_view(), name="model-release"),
    path(f"{PROJECT}models/<int:number>/artifact/", versions.VersionArtifact.as_view(), name="model-artifact"),
    path(f"{PROJECT}models/<int:number>/mlflow/", tracking.VersionInMlflow.as_view(), name="model-mlflow"),
    path(f"{PROJECT}models/<int:number>/predict/", predictions.Predict.as_view(), name="model-predict"),
    path(f"{PROJECT}registrations/", registrations.RegistrationList.as_view(), name="registrations"),
    path(
        f"{PROJECT}registrations/<int:registration_id>/",
        registrations.RegistrationDetail.as_view(),
        name="registration",
    ),
    path(f"{PROJECT}predictions/", predictions.PredictionList.as_view(), name="predictions"),
    path(f"{PROJECT}predictions/<int:prediction_id>/", predictions.PredictionDetail.as_view(), name="prediction"),
    path(
        f"{PROJECT}predictions/<int:prediction_id>/result/",
        predictions.PredictionResult.as_view(),
        name="prediction-result",
    ),
    path(f"{PROJECT}prediction-sets/", prediction_sets.PredictionSetList.as_view(), name="prediction-sets"),
    path(
        f"{PROJECT}prediction-sets/<int:set_id>/", prediction_sets.PredictionSetDetail.as_view(), name="prediction-set"
    ),
    path(f"{PROJECT}prediction-server/", prediction_sets.ServerDetail.as_view(), name="prediction-server"),
    path(f"{PROJECT}prediction-server/ask/", prediction_sets.ServerAsk.as_view(), name="prediction-server-ask"),
    path(f"{PROJECT}near-copies/", near_copies.NearCopies.as_view(), name="near-copies"),
    path(f"{PROJECT}agreement/", agreement.AgreementDetail.as_view(), name="agreement"),
    path(f"{PROJECT}payoff/", payoff.PayoffDetail.as_view(), name="payoff"),
    path(f"{PROJECT}privacy/", privacy.PrivacyDetail.as_view(), name="privacy"),
    path(f"{PROJECT}clustering/", clusterings.ClusteringDetail.as_view(), name="clustering"),
    path(f"{PROJECT}clustering/anew/", clusterings.ClusteringAnew.as_view(), name="clustering-anew"),
    path(f"{PROJECT}finish/", finish.ProjectFinish.as_view(), name="finish"),
    path(f"{PROJECT}certificates/", finish.CertificateList.as_view(), name="certificates"),
    path(f"{PROJECT}certificates/<int:number>/", finish.CertificateDetail.as_view(), name="certificate"),
    path(f"{PROJECT}certificates/<int:number>/file/", finish.CertificateFile.as_view(), name="certificate-file"),
    path(f"{PROJECT}export/", export.Export.as_view(), name="export"),
    path(f"{PROJECT}datasets/", datasets.DatasetList.as_view(), name="datasets"),
    path(DATASET, datasets.DatasetDetail.as_view(), name="dataset"),
    path(f"{DATASET}manifest/", datasets.DatasetManifest.as_view(), name="dataset-manifest"),
    path(f"{DATASET}card/", datasets.DatasetCard.as_view(), name="dataset-card"),
    path(f"{DATASET}comparison/", datasets.DatasetComparison.as_view(), name="dataset-comparison"),
    path(
        f"{PROJECT}datasets/<str:name>/verification/",
        datasets.DatasetVerification.as_view(),
        name="dataset-verification",
    ),
]
