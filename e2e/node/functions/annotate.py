# Adds headers and user metadata to the original.
import urllib.request

import boto3


def handler(event, context):
    get = event["getObjectContext"]
    body = urllib.request.urlopen(get["inputS3Url"]).read()
    boto3.client("s3").write_get_object_response(
        RequestRoute=get["outputRoute"], RequestToken=get["outputToken"], Body=body.upper(),
        ContentType="text/plain", CacheControl="max-age=60", ContentDisposition='attachment; filename="a.txt"',
        Metadata={"album": "summer", "payload": event["configuration"]["payload"], "caller": event["userIdentity"]["type"]},
        TagCount=3, StorageClass="STANDARD_IA",
    )
