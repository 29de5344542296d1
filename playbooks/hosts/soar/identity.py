"""What the SOAR app is called, for the app and for the playbooks that call it. Imports nothing: no SDK."""

APP_ID = "6f1b7c1e-7c5d-4c1e-9a53-2f4c5a0d9b11"
APP_NAME = "Regsvcs Response"
