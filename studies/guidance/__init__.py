"""KG-CI-CAM's three trainings as one command."""
