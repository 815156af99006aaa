from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.utils.module_loading import import_string
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.metadata import SimpleMetadata
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet


class ApiViewSet(ViewSet):
    """What all views of the API have in common, in whatever project they are.

    Who asks is found out by the project's own ``DEFAULT_AUTHENTICATION_CLASSES``. All else is the API's: the
    project's other REST framework settings are for views of its own.
    """

    parser_classes = [import_string("skeino_site.parsers.JSONParser")]
    renderer_classes = [import_string("skeino_site.renderers.JSONRenderer")]
    content_negotiation_class = import_string("skeino_site.renderers.Always")
    permission_classes = [
        import_string("skeino_site.permissions.IsAuthenticatedOrAnonymousAllowed"),
        import_string("skeino_site.permissions.HasModelPermissions"),
    ]
    metadata_class = SimpleMetadata
    versioning_class = None
    throttle_classes = [import_string("skeino_site.throttling.RateThrottle")]
    schema = import_string("skeino_site.openapi.AutoSchema")()

    # By action: the permissions it takes where SKEINO_MODEL_PERMISSIONS is on. What is not here, nobody may.
    permissions: ClassVar[dict[str, tuple[str, ...]]] = {}

    def perform_authentication(self, request: Request) -> None:
        """Who is known by a cookie must call JSON by its name.

        A page of another site could make their browser send it as anything else, but no credentials in
        headers.
        """
        super().perform_authentication(request)
        in_headers = request.META.get("HTTP_AUTHORIZATION") or request.META.get("HTTP_X_API_KEY")
        has_body = request.META.get("CONTENT_LENGTH") not in (None, "", "0")
        if request.user.is_authenticated and has_body and not in_headers:
            media_type = request.content_type.partition(";")[0].strip().lower()
            if media_type != "application/json" and not media_type.endswith("+json"):
                raise UnsupportedMediaType(media_type)

    def get_exception_handler(self) -> Callable[..., Any]:
        return import_string("skeino_site.errors.exception_handler")
