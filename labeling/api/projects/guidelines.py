"""Endpoints for the versions of a project's guidelines and for their images. `PATCH` of the project makes a version."""

from pathlib import Path
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser

from labeling.api.shared import fields
from labeling.api.shared.bodies import uploaded
from labeling.api.shared.endpoints import ProjectView, answers, find_or_404
from labeling.api.shared.ranges import media_response
from labeling.kinds.image import Image
from labeling.kinds.wording import too_large
from labeling.models import Ability, GuidelinesImage, GuidelinesVersion
from labeling.projects.classes import guidelines, guidelines_images
from labeling.storage import media
from labeling.storage.disk.files import FileDamaged


class Guidelines(fields.Shape):
    """A saved version of the guidelines."""

    version = fields.Integer(source="number")
    text = fields.Text("In Markdown.")
    user = fields.Text("Who saved them.", source="user.username", allow_null=True, default=None)
    created_at = fields.Time()
    answers = fields.Computed("How many standing answers were given under them.")

    def get_answers(self, version: GuidelinesVersion) -> int:
        counts: dict[int, int] = self.context["answers"]
        return counts.get(version.number, 0)


class GuidelinesList(ProjectView):
    """List all versions of the guidelines, the newest first."""

    @answers(Guidelines, needs=Ability.LABELS_READ, pages=True)
    def get(self) -> QuerySet[GuidelinesVersion]:
        return self.project.guidelines_versions.select_related("user").order_by("-number")

    def context_of(self, result: Any) -> dict[str, Any]:
        return {"answers": guidelines.answers_by_version(self.project)}


class GuidelinesRestore(ProjectView):
    """Restore an earlier version of the guidelines as a new version."""

    context_of = GuidelinesList.context_of

    @answers(Guidelines, needs=Ability.SETTINGS_CHANGE)
    def post(self, number: int) -> GuidelinesVersion:
        find_or_404(
            self.project.guidelines_versions.all(), "The guidelines have no version with this number.", number=number
        )
        made = guidelines.go_back(project=self.project, user=self.user, number=number)
        return self.project.guidelines_versions.select_related("user").get(number=made)


class ImageOfGuidelines(serializers.ModelSerializer[GuidelinesImage]):
    """An image for the guidelines."""

    url = fields.Computed("Where the file is.")
    user = fields.Text("Who uploaded it.", source="user.username", allow_null=True, default=None)

    Meta = fields.shows(GuidelinesImage, "name alt_text url bytes user created_at")

    def get_url(self, image: GuidelinesImage) -> str:
        return reverse("api:guidelines-image", args=[image.project.slug, image.name])


class ImageUpload(fields.Shape):
    file = serializers.FileField(help_text="PNG, JPEG, GIF, WEBP, BMP or TIFF of at most 5 MB.")
    alt_text = serializers.CharField(
        max_length=guidelines_images.MOST_ALT_TEXT, help_text="What it shows, for people who cannot see it."
    )


class ImageList(ProjectView):
    parser_classes = [MultiPartParser]

    @answers(ImageOfGuidelines, needs=Ability.LABELS_READ, many=True)
    def get(self) -> QuerySet[GuidelinesImage]:
        """List the images for the guidelines, by name."""
        return self.project.guidelines_images.select_related("project", "user")

    @answers(ImageOfGuidelines, 201, needs=Ability.SETTINGS_CHANGE, request={"multipart/form-data": ImageUpload})
    def post(self) -> GuidelinesImage:
        """Upload an image for the guidelines. The server makes its name from the file's name; `![](name.png)` shows it.

        Screen readers read `alt_text`, or the text in the brackets if the guidelines have one.
        """
        values = fields.read_body(ImageUpload, uploaded(self.request, self.project))
        file = values["file"]
        if file.size > guidelines_images.MOST_BYTES:
            problem = too_large(guidelines_images.MOST_BYTES)
            raise serializers.ValidationError({"file": f"The image {problem}."})
        return guidelines_images.add(
            project=self.project, user=self.user, file_name=file.name, content=file.read(), alt_text=values["alt_text"]
        )


class OneImage(ProjectView):
    @answers({(200, "image/*"): OpenApiTypes.BINARY}, needs=Ability.PROJECT_READ)
    def get(self, image: str) -> HttpResponseBase:
        """Download an image of the guidelines."""
        image_file = self._find(image)
        try:
            content_type = Image.content_types[Path(image_file.media).suffix]
            return media_response(self.request, media.local(image_file.media), content_type=content_type)
        except (FileNotFoundError, FileDamaged):
            raise Http404("The image is gone from the disk.") from None

    @answers(needs=Ability.SETTINGS_CHANGE)
    def delete(self, image: str) -> None:
        """Delete an image. Respond with 409 if a version of the guidelines shows the image."""
        guidelines_images.remove_image(image=self._find(image))

    def _find(self, name: str) -> GuidelinesImage:
        missing = "The guidelines have no image with this name."
        return find_or_404(self.project.guidelines_images.select_related("project"), missing, name=name)
