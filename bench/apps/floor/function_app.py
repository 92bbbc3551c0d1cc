"""The least that an app can be: one function that answers 202, and no import but azure.functions."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route("video-indexer/callback", methods=["POST"])
async def callback(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    """Answer."""
    return func.HttpResponse(status_code=202)
