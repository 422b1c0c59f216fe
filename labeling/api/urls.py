"""Addresses below /api/v1/."""

from django.urls import URLPattern, path

from labeling.api import auditlog, batches, export, finish
from labeling.api import label as queue
from labeling.api.items import imports
from labeling.api.items import views as items
from labeling.api.models import comparisons, figures, predictions, versions
from labeling.api.projects import classes, encoders, guidelines, lifecycle, members, sources, webhooks
from labeling.api.projects import views as projects
from labeling.api.shared.endpoints import ProjectView

app_name = "api"


def of_project(subject: str, *addresses: tuple[str, type[ProjectView], str]) -> list[URLPattern]:
    """Return addresses below that of a project: each with its view and its name."""
    return [
        path(f"projects/<slug:slug>/{address}", view.as_view(subject=subject), name=name)
        for address, view, name in addresses
    ]


urlpatterns = [
    # The two most frequent addresses come first, because Django compares addresses one after the other.
    *of_project("Labeling", ("claim/", queue.Claim, "claim"), ("annotations/", queue.Annotations, "annotations")),
    path("projects/", projects.ProjectList.as_view(subject="Projects"), name="projects"),
    path("deleted-projects/", lifecycle.DeletedProjects.as_view(subject="Projects"), name="deleted-projects"),
    *of_project(
        "Projects",
        ("", projects.ProjectDetail, "project"),
        ("archive/", lifecycle.ProjectArchive, "project-archive"),
        ("deletion/", lifecycle.ProjectDeletion, "project-deletion"),
        ("duplicate/", lifecycle.ProjectCopy, "project-duplicate"),
        ("transfer/", lifecycle.ProjectTransfer, "project-transfer"),
        ("guidelines/", guidelines.GuidelinesList, "guidelines"),
        ("guidelines/<int:number>/restore/", guidelines.GuidelinesRestore, "guidelines-restore"),
        ("guidelines/images/", guidelines.ImageList, "guidelines-images"),
        ("guidelines/images/<str:image>/", guidelines.OneImage, "guidelines-image"),
        ("encoder/", encoders.ProjectEncoder, "encoder"),
        ("encoder/change/", encoders.ProjectEncoderChange, "encoder-change"),
        ("encoder/servers/", encoders.ProjectEmbeddingServers, "embedding-servers"),
        ("encoder/servers/<int:server_id>/", encoders.ProjectEmbeddingServer, "embedding-server"),
        ("encoder/comparison/", encoders.ProjectEncoderComparison, "encoder-comparison"),
    ),
    *of_project(
        "Classes",
        ("classes/", classes.ClassList, "classes"),
        ("classes/changes/", classes.ClassChanges, "class-changes"),
        ("classes/undo/", classes.ClassUndo, "class-undo"),
        ("classes/proposals/", classes.ProposalList, "proposals"),
        ("classes/proposals/accept/", classes.ProposalAccept, "proposal-accept"),
        ("classes/proposals/dismiss/", classes.ProposalDismiss, "proposal-dismiss"),
        ("classes/<int:index>/", classes.ClassDetail, "class"),
        ("classes/<int:index>/merge/", classes.ClassMerge, "class-merge"),
        ("classes/<int:index>/split/", classes.ClassSplit, "class-split"),
        ("classes/<int:index>/archive/", classes.ClassArchive, "class-archive"),
        ("classes/<int:index>/examples/<int:item_id>/", classes.ClassExampleDetail, "class-example"),
    ),
    *of_project(
        "Projects",
        ("members/", members.MemberList, "members"),
        ("members/<word:username>/", members.MemberDetail, "member"),
        ("members/<word:username>/pause/", members.MemberPause, "member-pause"),
    ),
    path("auditlog/file/", auditlog.ServerLogFile.as_view(subject="Log"), name="server-auditlog-file"),
    *of_project("Log", ("auditlog/file/", auditlog.LogFile, "auditlog-file")),
    *of_project(
        "Projects",
        ("invitations/", members.InvitationList, "invitations"),
        ("invitations/<int:invitation_id>/", members.InvitationDetail, "invitation"),
    ),
    *of_project(
        "Sources",
        ("sources/", sources.SourceList, "sources"),
        ("sources/<int:source_id>/", sources.SourceDetail, "source"),
        ("sources/<int:source_id>/look/", sources.SourceLook, "source-look"),
        ("sources/<int:source_id>/test/", sources.SourceTried, "source-test"),
    ),
    *of_project(
        "Webhooks",
        ("webhooks/", webhooks.WebhookList, "webhooks"),
        ("webhooks/<int:webhook_id>/", webhooks.WebhookDetail, "webhook"),
        ("webhooks/<int:webhook_id>/secret/", webhooks.WebhookSecret, "webhook-secret"),
        ("webhooks/<int:webhook_id>/test/", webhooks.WebhookTest, "webhook-test"),
        ("webhooks/<int:webhook_id>/deliveries/", webhooks.DeliveryList, "webhook-deliveries"),
        ("webhooks/<int:webhook_id>/deliveries/<int:delivery_id>/again/", webhooks.DeliverySentAgain, "delivery-again"),
    ),
    *of_project(
        "Items",
        ("items/", items.Items, "items"),
        ("items/changes/", items.ItemChanges, "item-changes"),
        ("items/<int:item_id>/", items.ItemDetail, "item"),
        ("items/<int:item_id>/correction/", items.ItemCorrection, "item-correction"),
        ("items/<int:item_id>/comments/", items.ItemComments, "item-comments"),
        ("items/<int:item_id>/media/", imports.ItemMedia, "item-media"),
        ("imports/", imports.ImportList, "imports"),
        ("imports/<int:import_id>/", imports.ImportDetail, "import"),
        ("imports/<int:import_id>/rejected/", imports.RejectedRows, "rejected-rows"),
    ),
    *of_project(
        "Labeling",
        ("annotations/<uuid:annotation_id>/", queue.AnnotationDetail, "annotation"),
        ("skip/", queue.Skip, "skip"),
        ("comments/", items.OwnComments, "comments"),
        ("release/", queue.Release, "release"),
        ("progress/", queue.Progress, "progress"),
    ),
    *of_project(
        "Batches",
        ("batches/", batches.BatchList, "batches"),
        ("batches/<int:number>/", batches.BatchDetail, "batch"),
        ("batches/<int:number>/parts/", batches.BatchParts, "batch-parts"),
        ("batches/<int:number>/parts/<int:part_id>/", batches.OnePart, "batch-part"),
        ("batches/<int:number>/retry/", batches.BatchRetry, "batch-retry"),
        ("batches/<int:number>/end/", batches.BatchEnd, "batch-end"),
    ),
    *of_project(
        "Models",
        ("models/", versions.VersionList, "models"),
        ("models/compare/", comparisons.VersionComparison, "models-compare"),
        ("models/<int:number>/", versions.VersionDetail, "model"),
        ("models/in-use/", versions.VersionInUse, "model-in-use"),
        ("models/<int:number>/use/", versions.VersionUse, "model-use"),
        ("models/<int:number>/release/", versions.VersionRelease, "model-release"),
        ("models/<int:number>/artifact/", versions.VersionArtifact, "model-artifact"),
        ("models/<int:number>/mlflow/", versions.VersionInMlflow, "model-mlflow"),
        ("models/<int:number>/measured-blind/", figures.MeasuredBlindDetail, "model-measured-blind"),
        ("models/<int:number>/predict/", predictions.Predict, "model-predict"),
        ("registrations/", versions.RegistrationList, "registrations"),
        ("registrations/<int:registration_id>/", versions.RegistrationDetail, "registration"),
        ("predictions/", predictions.PredictionList, "predictions"),
        ("predictions/<int:prediction_id>/", predictions.PredictionDetail, "prediction"),
        ("predictions/<int:prediction_id>/result/", predictions.PredictionResult, "prediction-result"),
        ("prediction-sets/", predictions.PredictionSetList, "prediction-sets"),
        ("prediction-sets/<int:set_id>/", predictions.PredictionSetDetail, "prediction-set"),
        ("prediction-server/", predictions.ServerDetail, "prediction-server"),
        ("prediction-server/ask/", predictions.ServerAsk, "prediction-server-ask"),
    ),
    *of_project(
        "Projects",
        ("near-copies/", figures.NearCopies, "near-copies"),
        ("agreement/", figures.AgreementDetail, "agreement"),
    ),
    *of_project(
        "Models",
        ("payoff/", figures.PayoffDetail, "payoff"),
        ("privacy/", figures.PrivacyDetail, "privacy"),
        ("clustering/", figures.ClusteringDetail, "clustering"),
        ("clustering/anew/", figures.ClusteringAnew, "clustering-anew"),
    ),
    *of_project(
        "Finish",
        ("finish/", finish.ProjectFinish, "finish"),
        ("certificates/", finish.CertificateList, "certificates"),
        ("certificates/<int:number>/", finish.CertificateDetail, "certificate"),
        ("certificates/<int:number>/file/", finish.CertificateFile, "certificate-file"),
    ),
    *of_project(
        "Export",
        ("export/", export.Export, "export"),
        ("datasets/", export.DatasetList, "datasets"),
        ("datasets/<str:name>/", export.DatasetDetail, "dataset"),
        ("datasets/<str:name>/manifest/", export.DatasetManifest, "dataset-manifest"),
        ("datasets/<str:name>/card/", export.DatasetCard, "dataset-card"),
        ("datasets/<str:name>/comparison/", export.DatasetComparison, "dataset-comparison"),
        ("datasets/<str:name>/verification/", export.DatasetVerification, "dataset-verification"),
    ),
]
