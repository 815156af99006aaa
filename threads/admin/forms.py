"""What verbs on threads ask for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from threads.models import Thread
from threads.serializers.threads import MAX_TTL_MINUTES
from threads.sharing import ThreadShare, groups_open_to


class ShareForm(forms.Form):
    group = forms.ModelChoiceField(Group.objects.none(), label=_("Group"))
    access = forms.ChoiceField(label=_("Its members may"), choices=ThreadShare.LEVELS)

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(data)
        choice: Any = self.fields["group"]
        choice.queryset = groups_open_to(request.user).order_by("name")


class TimeToLiveForm(forms.Form):
    minutes = forms.FloatField(
        required=False,
        min_value=0,
        max_value=MAX_TTL_MINUTES,
        label=_("Minutes"),
        help_text=_("After the latest change of the state. Without any, threads are kept."),
    )
    strategy = forms.ChoiceField(label=_("Then"), choices=Thread.TTLStrategy.choices)
