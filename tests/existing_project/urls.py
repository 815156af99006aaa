from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("agents/v2/", include("skeino_site.api_urls"))]
