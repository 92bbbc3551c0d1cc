"""The function app: registers the handlers' blueprints, nothing else."""

import azure.functions as func

from handlers import backfill, callback, extraction, health, poison, reconciliation, rematch, replay
from handlers.process import services

app = func.FunctionApp()
app.register_blueprint(callback.blueprint)
app.register_blueprint(extraction.blueprint)
app.register_blueprint(reconciliation.blueprint)
app.register_blueprint(replay.blueprint)
app.register_blueprint(backfill.blueprint)
app.register_blueprint(rematch.blueprint)
app.register_blueprint(health.blueprint)
app.register_blueprint(poison.blueprint)
if services.settings.event_grid_endpoint is not None:
    from handlers import deliver_event_grid

    app.register_blueprint(deliver_event_grid.blueprint)
if services.settings.log_event_hub is not None:
    from handlers import diagnostics

    app.register_blueprint(diagnostics.blueprint)
