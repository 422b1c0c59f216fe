"""The tables and their querysets, one file per subject. Import from this package."""

from labeling.models.annotations import Annotation, Assignment, Correction, WorkLog
from labeling.models.auditlog import LogChain, LogEntry
from labeling.models.auditlog_kinds import LogKind
from labeling.models.batches import Batch, BatchPart, LabelCounts, Selection
from labeling.models.certificates import Audit, AuditDraw, Certificate, CertifiedLabel, Finish
from labeling.models.classes import ClassChange, ClassExample, ClassProposal, LabelClass
from labeling.models.datasets import DatasetFile, DatasetVersion
from labeling.models.encoders import EmbeddingServer, EncoderChange, EncoderComparison
from labeling.models.event_types import EventType
from labeling.models.files import DamagedFile, FeatureSum, ProjectStorage, Upload
from labeling.models.guidelines import GuidelinesImage, GuidelinesVersion
from labeling.models.imports import ItemImport, RejectedRow
from labeling.models.items import Item, ItemIndex
from labeling.models.jobs import Job, WorkerSign
from labeling.models.near_copies import Copy, CopyAnswer
from labeling.models.notice_kinds import Mail, NoticeKind
from labeling.models.notices import Mailbox, Notice
from labeling.models.people import Invitation, Membership, User
from labeling.models.prediction_sets import PredictionServer, PredictionSet
from labeling.models.predictions import PredictionRun
from labeling.models.privacy import LabelFamily, PrivateTraining, Release
from labeling.models.projects import Project
from labeling.models.references import Reference
from labeling.models.registrations import Registration
from labeling.models.removals import BulkChange, Leftover, Removal
from labeling.models.reviews import Comment, ReviewPlace
from labeling.models.roles import Ability, Role
from labeling.models.sign_in import CacheEntry, SignInFailure, TokenUse
from labeling.models.sources import Source
from labeling.models.tasks import Task
from labeling.models.tracked import TrackedVersion
from labeling.models.versions import Clustering, ModelVersion, VersionChoice
from labeling.models.webhooks import Delivery, Event, Webhook

__all__ = [
    "Ability",
    "Annotation",
    "Assignment",
    "Audit",
    "AuditDraw",
    "Batch",
    "BatchPart",
    "BulkChange",
    "CacheEntry",
    "Certificate",
    "CertifiedLabel",
    "ClassChange",
    "ClassExample",
    "ClassProposal",
    "Clustering",
    "Comment",
    "Copy",
    "CopyAnswer",
    "Correction",
    "DamagedFile",
    "DatasetFile",
    "DatasetVersion",
    "Delivery",
    "EmbeddingServer",
    "EncoderChange",
    "EncoderComparison",
    "Event",
    "EventType",
    "FeatureSum",
    "Finish",
    "GuidelinesImage",
    "GuidelinesVersion",
    "Invitation",
    "Item",
    "ItemImport",
    "ItemIndex",
    "Job",
    "LabelClass",
    "LabelCounts",
    "LabelFamily",
    "Leftover",
    "LogChain",
    "LogEntry",
    "LogKind",
    "Mail",
    "Mailbox",
    "Membership",
    "ModelVersion",
    "Notice",
    "NoticeKind",
    "PredictionRun",
    "PredictionServer",
    "PredictionSet",
    "PrivateTraining",
    "Project",
    "ProjectStorage",
    "Reference",
    "Registration",
    "RejectedRow",
    "Release",
    "Removal",
    "ReviewPlace",
    "Role",
    "Selection",
    "SignInFailure",
    "Source",
    "Task",
    "TokenUse",
    "TrackedVersion",
    "Upload",
    "User",
    "VersionChoice",
    "Webhook",
    "WorkLog",
    "WorkerSign",
]
