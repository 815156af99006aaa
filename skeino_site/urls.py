from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from skeino_site import errors
from skeino_site.health import HealthViewSet
from skeino_site.metrics import MetricsViewSet

# These have no answer to OPTIONS.
READ_ONLY = {"http_method_names": ["get", "head"]}

admin.autodiscover()

urlpatterns = [
    path("live", HealthViewSet.as_view({"get": "live"})),
    path("ready", HealthViewSet.as_view({"get": "ready"})),
    path("metrics", MetricsViewSet.as_view({"get": "metrics"})),
    path("openapi.json", SpectacularJSONAPIView.as_view(**READ_ONLY), name="openapi"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="openapi", **READ_ONLY), name="docs"),
    path("", include("skeino_site.api_urls")),
    path("admin/", admin.site.urls),
    re_path(r"^.*$", errors.catch_all),
]

handler400 = "skeino_site.errors.bad_request"
handler403 = "skeino_site.errors.permission_denied"
handler404 = "skeino_site.errors.not_found"
handler500 = "skeino_site.errors.server_error"
