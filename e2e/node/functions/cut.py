# Promises a body of ten bytes and breaks off before its first.
import http.client
import os
import time
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.session


def handler(event, context):
    get = event["getObjectContext"]
    host = get["outputRoute"] + ".s3-object-lambda." + os.environ["AWS_REGION"] + ".amazonaws.com"
    request = botocore.awsrequest.AWSRequest("POST", f"https://{host}/WriteGetObjectResponse", headers={
        "x-amz-request-route": get["outputRoute"], "x-amz-request-token": get["outputToken"], "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    botocore.auth.S3SigV4Auth(botocore.session.get_session().get_credentials(), "s3-object-lambda", os.environ["AWS_REGION"]).add_auth(request)
    proxy = urllib.parse.urlsplit(os.environ.get("HTTPS_PROXY", ""))
    connection = http.client.HTTPSConnection(proxy.hostname or host, proxy.port or 443)
    if proxy.hostname:
        connection.set_tunnel(host, 443)
    connection.putrequest("POST", "/WriteGetObjectResponse")
    for name, value in dict(request.headers, **{"Content-Length": "10"}).items():
        connection.putheader(name, value)
    connection.endheaders()
    time.sleep(0.3)  # so that the answer has begun
    connection.close()
