"""The function app: registers the handlers' blueprints, nothing else."""

import azure.functions as func

from handlers import callback, extraction, operations

app = func.FunctionApp()
app.register_blueprint(callback.blueprint)
app.register_blueprint(extraction.blueprint)
app.register_blueprint(operations.blueprint)
