"""Tables, and the questions asked of them. One file a subject; import from here."""

from labeling.models.answers import Annotation, Assignment, Correction
from labeling.models.batches import Batch, Task
from labeling.models.items import Item, ItemImport, RejectedRow
from labeling.models.jobs import Job
from labeling.models.people import Invitation, Membership, Role, User
from labeling.models.predictions import PredictionRun
from labeling.models.privacy import PrivateTraining, Release
from labeling.models.projects import LabelClass, Project
from labeling.models.storage import ProjectStorage, Upload
from labeling.models.versions import Clustering, ModelVersion, VersionChoice

__all__ = [
    "Annotation",
    "Assignment",
    "Batch",
    "Clustering",
    "Correction",
    "Invitation",
    "Item",
    "ItemImport",
    "Job",
    "LabelClass",
    "Membership",
    "ModelVersion",
    "PredictionRun",
    "PrivateTraining",
    "Project",
    "ProjectStorage",
    "RejectedRow",
    "Release",
    "Role",
    "Task",
    "Upload",
    "User",
    "VersionChoice",
]
