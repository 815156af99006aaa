"""What the admin pages of all apps share: verbs, panels that load by themselves, JSON as a folding tree."""
