"""Who may sign in, and as what in which project."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person or a program with an account. Our own class from the first migration, so that it can grow."""


class Role(models.TextChoices):
    """What a member is in one project. A manager may also do what annotators and engineers do."""

    ANNOTATOR = "annotator"
    MANAGER = "manager"
    ENGINEER = "engineer"


class Membership(models.Model):
    """One user's role in one project; whoever has none does not see that the project exists."""

    project = models.ForeignKey("labeling.Project", on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="one_role_per_project")]

    def __str__(self) -> str:
        return f"{self.user} as {self.role}"

    @property
    def may_annotate(self) -> bool:
        return self.role in (Role.ANNOTATOR, Role.MANAGER)

    @property
    def may_manage(self) -> bool:
        return self.role == Role.MANAGER

    @property
    def may_export(self) -> bool:
        return self.role in (Role.ENGINEER, Role.MANAGER)
