"""The tables and their querysets, one file per subject. Import from this package."""

from labeling.models.accounts import CacheEntry, Invitation, Membership, SignInFailure, TokenUse, User
from labeling.models.annotations import Annotation, Assignment, Comment, Correction, ReviewPlace, WorkLog
from labeling.models.auditlog import LogChain, LogEntry, LogKind
from labeling.models.batches import Batch, BatchPart, LabelCounts, Selection
from labeling.models.certificates import Audit, AuditDraw, Certificate, CertifiedLabel, Finish
from labeling.models.classes import (
    ClassChange,
    ClassExample,
    ClassProposal,
    GuidelinesImage,
    GuidelinesVersion,
    LabelClass,
)
from labeling.models.datasets import DatasetFile, DatasetVersion
from labeling.models.encoders import EmbeddingServer, EncoderChange, EncoderComparison
from labeling.models.files import DamagedFile, FeatureSum, ProjectStorage, Upload
from labeling.models.imports import ItemImport, Reference, RejectedRow, Source
from labeling.models.items import Item, ItemIndex
from labeling.models.jobs import Job, WorkerSign
from labeling.models.near_copies import Copy, CopyAnswer
from labeling.models.notice_kinds import EventType, Mail, NoticeKind
from labeling.models.notices import Mailbox, Notice
from labeling.models.predictions import PredictionRun, PredictionServer, PredictionSet
from labeling.models.privacy import LabelFamily, PrivateTraining, Release
from labeling.models.projects import Project
from labeling.models.removals import BulkChange, Leftover, Removal
from labeling.models.roles import Ability, Role
from labeling.models.tasks import Task
from labeling.models.versions import Clustering, ModelVersion, Registration, TrackedVersion, VersionChoice
from labeling.models.webhooks import Delivery, Event, Webhook
