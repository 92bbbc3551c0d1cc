"""What one gets by putting the tutorials together: all the work inside the callback's request.

As Video Indexer's Python sample does, a new token for each request, sent in the query, and the whole index;
as the Azure SDK's quick starts do, a new credential and new clients for each call; nothing is retried,
nothing told apart, and an update overwrites what was there.
"""

import json
import os

import azure.functions as func
import requests
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route("video-indexer/callback", methods=["POST"])
def callback(req: func.HttpRequest) -> func.HttpResponse:
    """Fetch the index, write its keywords, send a message."""
    video_id = req.params["id"]
    credential = DefaultAzureCredential(managed_identity_client_id=os.environ["InsightsStorage__clientId"])
    arm_token = credential.get_token(os.environ["AZURE_RESOURCE_MANAGER_AUDIENCE"] + "/.default").token
    token = requests.post(
        os.environ["AZURE_RESOURCE_MANAGER_ENDPOINT"]
        + os.environ["VIDEO_INDEXER_RESOURCE_ID"]
        + "/generateAccessToken",
        params={"api-version": "2024-01-01"},
        headers={"Authorization": f"Bearer {arm_token}"},
        json={"permissionType": "Contributor", "scope": "Account"},
    ).json()["accessToken"]
    index = requests.get(
        f"{os.environ['VIDEO_INDEXER_ENDPOINT']}/{os.environ['VIDEO_INDEXER_LOCATION']}"
        f"/Accounts/{os.environ['VIDEO_INDEXER_ACCOUNT_ID']}/Videos/{video_id}/Index",
        params={"accessToken": token},
    ).json()
    keywords = index["videos"][0]["insights"].get("keywords", [])
    blobs = BlobServiceClient(os.environ["InsightsStorage__blobServiceUri"], credential=credential)
    blob = blobs.get_blob_client("keywords", f"{video_id}.json")
    blob.upload_blob(json.dumps({"videoId": video_id, "keywords": keywords}), overwrite=True)
    queue = QueueClient(
        os.environ["InsightsStorage__queueServiceUri"],
        "personalization-events",
        credential=credential,
        message_encode_policy=TextBase64EncodePolicy(),
    )
    queue.send_message(
        json.dumps({"videoId": video_id, "keywords": [keyword["text"] for keyword in keywords]})
    )
    return func.HttpResponse(status_code=200)
