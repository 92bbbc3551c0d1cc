"""The function app: registers the handlers' blueprints, nothing else."""

import azure.functions as func

from handlers import backfill, callback, extraction, health, operations, poison, reconciliation
from handlers.shared import services

app = func.FunctionApp()
app.register_blueprint(backfill.blueprint)
app.register_blueprint(callback.blueprint)
app.register_blueprint(extraction.blueprint)
app.register_blueprint(health.blueprint)
app.register_blueprint(operations.blueprint)
app.register_blueprint(poison.blueprint)
app.register_blueprint(reconciliation.blueprint)
if services.settings.log_event_hub is not None:
    from handlers import diagnostics

    app.register_blueprint(diagnostics.blueprint)
