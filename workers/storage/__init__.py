"""What Redis keeps. Knows every key; knows no Celery and no model."""
